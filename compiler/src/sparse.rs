//! Sparse matrices, row by row: what every linear operator becomes.

/// A sparse matrix. Rows are in order, and so are the columns of each; no entry is 0.
#[derive(Clone, Debug, PartialEq)]
pub struct SparseMatrix {
    columns: usize,
    /// Where each row ends among the entries.
    ends: Vec<usize>,
    entries: Vec<(u32, f64)>,
}

impl SparseMatrix {
    /// Builds a matrix of rows given as pairs of column and factor, in any order; what stands twice is added.
    ///
    /// # Panics
    /// When a column is not below `columns`.
    pub fn from_rows<R: IntoIterator<Item = (usize, f64)>>(
        columns: usize,
        rows: impl IntoIterator<Item = R>,
    ) -> Self {
        let (mut ends, mut entries) = (Vec::new(), Vec::<(u32, f64)>::new());
        let mut row: Vec<(u32, f64)> = Vec::new();
        for terms in rows {
            row.clear();
            row.extend(terms.into_iter().map(|(column, factor)| {
                assert!(column < columns, "column {column} of {columns}");
                (column as u32, factor)
            }));
            row.sort_by_key(|(column, _)| *column);
            let start = entries.len();
            for &(column, factor) in &row {
                match entries[start..].last_mut() {
                    Some(last) if last.0 == column => last.1 += factor,
                    _ => entries.push((column, factor)),
                }
            }
            let mut kept = start;
            for at in start..entries.len() {
                if entries[at].1 != 0.0 {
                    entries[kept] = entries[at];
                    kept += 1;
                }
            }
            entries.truncate(kept);
            ends.push(kept);
        }
        Self { columns, ends, entries }
    }

    /// The square matrix with these factors on its diagonal.
    #[must_use]
    pub fn diagonal(factors: &[f64]) -> Self {
        Self::from_rows(factors.len(), factors.iter().enumerate().map(|(i, &factor)| [(i, factor)]))
    }

    /// The square matrix that changes nothing but multiplies by `factor`.
    #[must_use]
    pub fn scalar(dimension: usize, factor: f64) -> Self {
        Self::diagonal(&vec![factor; dimension])
    }

    /// The matrix whose row i takes the element `selected[i]`, or nothing.
    #[must_use]
    pub fn selection(columns: usize, selected: &[Option<usize>]) -> Self {
        Self::from_rows(columns, selected.iter().map(|column| column.map(|column| (column, 1.0))))
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.ends.len()
    }

    /// Number of columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of entries that are not 0.
    #[must_use]
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// The entries of a row as pairs of column and factor.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let start = row.checked_sub(1).map_or(0, |above| self.ends[above]);
        self.entries[start..self.ends[row]].iter().map(|&(column, factor)| (column as usize, factor))
    }

    /// `self·vector`.
    #[must_use]
    pub fn apply(&self, vector: &[f64]) -> Vec<f64> {
        (0..self.rows()).map(|r| self.row(r).map(|(c, factor)| factor * vector[c]).sum()).collect()
    }

    /// `self·other`, the map that applies `other` first.
    #[must_use]
    pub fn after(&self, other: &Self) -> Self {
        let rows = (0..self.rows()).map(|r| {
            self.row(r).flat_map(|(k, outer)| other.row(k).map(move |(c, inner)| (c, outer * inner)))
        });
        Self::from_rows(other.columns, rows)
    }

    /// The products of factors that `self.after(other)` adds up, at least as many as its entries.
    pub(crate) fn count_after(&self, other: &Self) -> usize {
        let of = |k: usize| other.ends[k] - k.checked_sub(1).map_or(0, |above| other.ends[above]);
        self.entries.iter().map(|&(k, _)| of(k as usize)).sum()
    }

    /// `self + other`.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self::from_rows(self.columns, (0..self.rows()).map(|r| self.row(r).chain(other.row(r))))
    }

    /// `factor·self`.
    #[must_use]
    pub fn times(mut self, factor: f64) -> Self {
        self.scale(factor);
        self
    }

    /// Multiplies every entry by a factor other than 0.
    pub(crate) fn scale(&mut self, factor: f64) {
        self.entries.iter_mut().for_each(|(_, entry)| *entry *= factor);
    }

    /// Multiplies the entries of each column by a factor other than 0.
    pub(crate) fn scale_columns(&mut self, factor: impl Fn(usize) -> f64) {
        self.entries.iter_mut().for_each(|(column, entry)| *entry *= factor(*column as usize));
    }

    /// The factor if the matrix only multiplies by one number.
    #[must_use]
    pub fn as_scalar(&self) -> Option<f64> {
        let factor = self.entries.first()?.1;
        let square = self.rows() == self.columns && self.count() == self.columns;
        let uniform = || {
            (0..self.rows()).all(|r| {
                let mut row = self.row(r);
                row.next() == Some((r, factor)) && row.next().is_none()
            })
        };
        (square && uniform()).then_some(factor)
    }

    /// Whether every element keeps its place, whatever it is multiplied with.
    #[must_use]
    pub fn is_diagonal(&self) -> bool {
        self.rows() == self.columns && (0..self.rows()).all(|r| self.row(r).all(|(c, _)| c == r))
    }

    /// Whether most entries are there.
    #[must_use]
    pub fn is_dense(&self) -> bool {
        2 * self.count() > self.rows() * self.columns
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matrices() -> impl Strategy<Value = (SparseMatrix, SparseMatrix, Vec<f64>)> {
        let row = |columns: usize| prop::collection::vec((0..columns, -4i8..5), 0..6);
        let matrix = move |rows: usize, columns: usize| {
            prop::collection::vec(row(columns), rows).prop_map(move |rows| {
                let rows = rows.into_iter().map(|row| row.into_iter().map(|(c, f)| (c, f64::from(f))));
                SparseMatrix::from_rows(columns, rows)
            })
        };
        (matrix(5, 7), matrix(7, 4), prop::collection::vec((-8i8..9).prop_map(f64::from), 4))
    }

    proptest! {
        #[test]
        fn a_product_applies_both((outer, inner, x) in matrices()) {
            let product = outer.after(&inner);
            prop_assert_eq!(product.apply(&x), outer.apply(&inner.apply(&x)));
            prop_assert!(product.entries.iter().all(|(_, factor)| *factor != 0.0));
            prop_assert_eq!(product.plus(&product), product.times(2.0));
        }
    }

    #[test]
    fn entries_of_one_place_are_added_and_zeros_are_dropped() {
        let matrix = SparseMatrix::from_rows(3, [vec![(2, 1.0), (0, 3.0), (2, -1.0)], vec![(1, 0.0)]]);
        assert_eq!(matrix.row(0).collect::<Vec<_>>(), [(0, 3.0)]);
        assert_eq!((matrix.rows(), matrix.columns(), matrix.count()), (2, 3, 1));
    }

    #[test]
    fn a_scalar_is_told_from_other_diagonals() {
        assert_eq!(SparseMatrix::scalar(3, -1.0).as_scalar(), Some(-1.0));
        let uneven = SparseMatrix::diagonal(&[1.0, 2.0]);
        assert_eq!((uneven.as_scalar(), uneven.is_diagonal()), (None, true));
        assert_eq!(SparseMatrix::selection(2, &[Some(0), None]).as_scalar(), None);
        assert!(!SparseMatrix::selection(2, &[Some(1), Some(0)]).is_diagonal());
    }
}
