//! Rows of numbers that are always read side by side, stored in turns: a block of the first row, one of the second
//! and so on, then the next block of each. So they are read from memory in one stream from front to back, where rows
//! of their own, a power of two apart, would all compete for the same places in the caches.

use super::scratch::Residues;

/// How many numbers of a row stand together at most: two of the widest vectors. In WebAssembly, which has no
/// instruction to ask for memory ahead of its use, long enough that the processor asks for it by itself.
const BLOCK: usize = if cfg!(target_family = "wasm") { 1024 } else { 32 };

/// Rows of equal length, a power of two.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Interleaved {
    rows: usize,
    /// How many numbers of a row stand together.
    pub(super) block: usize,
    residues: Residues,
}

impl Interleaved {
    /// Rows that are yet to be written, all of them; see [`Residues::stale`].
    pub(crate) fn unwritten(rows: usize, length: usize) -> Self {
        debug_assert!(rows > 0 && length.is_power_of_two());
        Self { rows, block: BLOCK.min(length), residues: Residues::stale(rows * length) }
    }

    /// The blocks of one row, to write them.
    pub(super) fn row_mut(&mut self, row: usize) -> impl Iterator<Item = &mut [u32]> {
        let (start, length) = (row * self.block, self.block);
        self.blocks_mut().map(move |block| &mut block[start..][..length])
    }

    /// For each block of numbers, those of all rows one after the other.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &[u32]> {
        self.residues.chunks_exact(self.rows * self.block)
    }

    /// As [`Interleaved::blocks`], to write them.
    pub(super) fn blocks_mut(&mut self) -> impl Iterator<Item = &mut [u32]> {
        self.residues.chunks_exact_mut(self.rows * self.block)
    }

    /// The memory it takes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.residues)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn a_block_has_the_numbers_of_each_row_in_turn() {
        let rows: [Vec<u32>; 3] = [0, 1000, 2000].map(|start| (start..start + 2 * BLOCK as u32).collect());
        let mut interleaved = Interleaved::unwritten(3, 2 * BLOCK);
        for (i, row) in rows.iter().enumerate() {
            let blocks = interleaved.row_mut(i).zip(row.chunks(BLOCK));
            blocks.for_each(|(to, from)| to.copy_from_slice(from));
        }
        let blocks: Vec<&[u32]> = interleaved.blocks().collect();
        assert_eq!(blocks.len(), 2);
        for (i, block) in blocks.into_iter().enumerate() {
            let expected: Vec<u32> =
                rows.iter().flat_map(|row| &row[i * BLOCK..][..BLOCK]).copied().collect();
            assert_eq!(block, expected);
        }
        assert_eq!(interleaved.bytes(), 3 * 2 * BLOCK * 4);
    }
}
