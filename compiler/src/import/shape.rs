//! Arithmetic of shapes: where the elements of one tensor are in another. All maps are in row-major order.

/// The index of every element of `to` in a tensor of shape `from` that is repeated over it by ONNX's
/// broadcasting rules; nothing if it cannot be.
pub(super) fn broadcast(from: &[usize], to: &[usize]) -> Option<Vec<usize>> {
    let strides = strides(from);
    let skipped = to.len().checked_sub(from.len())?;
    let fits = from.iter().zip(&to[skipped..]).all(|(f, t)| f == t || *f == 1);
    let step = |axis: usize| match axis.checked_sub(skipped) {
        Some(axis) if from[axis] > 1 => strides[axis] as isize,
        _ => 0,
    };
    fits.then(|| walk(to, 0, &(0..to.len()).map(step).collect::<Vec<_>>()))
}

/// The shape that two shapes broadcast to.
pub(super) fn common(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let extent =
        |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |at| shape[at]);
    let pairs = (0..rank).map(|axis| (extent(a, axis), extent(b, axis)));
    pairs.map(|(a, b)| if a == b || b == 1 { Some(a) } else { (a == 1).then_some(b) }).collect()
}

/// The distance of neighbours along each axis.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// The numbers reached from `start` by steps along the axes, one for each element of `shape`.
pub(super) fn walk(shape: &[usize], start: usize, steps: &[isize]) -> Vec<usize> {
    shape.iter().zip(steps).fold(vec![start], |reached, (&extent, &step)| {
        let along = |from: usize| (0..extent).map(move |i| from.wrapping_add_signed(step * i as isize));
        reached.into_iter().flat_map(along).collect()
    })
}

/// The numbers reached by choosing one index of each axis' list; nothing for an element whose index is nothing.
pub(super) fn choose(shape: &[usize], lists: &[Vec<Option<usize>>]) -> Vec<Option<usize>> {
    let strides = strides(shape);
    lists.iter().zip(strides).fold(vec![Some(0)], |reached, (list, stride)| {
        let along = |from: Option<usize>| list.iter().map(move |index| Some(from? + (*index)? * stride));
        reached.into_iter().flat_map(along).collect()
    })
}

/// The shape that Reshape asks for: 0 keeps an extent, −1 takes what is left.
pub(super) fn reshaped(shape: &[usize], wanted: &[i64]) -> Option<Vec<usize>> {
    let total: usize = shape.iter().product();
    let mut open = None;
    let mut target = Vec::with_capacity(wanted.len());
    for (axis, &extent) in wanted.iter().enumerate() {
        target.push(match extent {
            -1 if open.is_none() => {
                open = Some(axis);
                1
            }
            0 => *shape.get(axis)?,
            extent => usize::try_from(extent).ok()?,
        });
    }
    let product = |target: &[usize]| target.iter().try_fold(1usize, |p, &extent| p.checked_mul(extent));
    if let Some(axis) = open {
        target[axis] = total.checked_div(product(&target)?)?;
    }
    (product(&target)? == total).then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_and_a_column_repeat_over_a_matrix() {
        assert_eq!(broadcast(&[3], &[2, 3]).expect("fits"), [0, 1, 2, 0, 1, 2]);
        assert_eq!(broadcast(&[2, 1], &[2, 3]).expect("fits"), [0, 0, 0, 1, 1, 1]);
        assert_eq!(broadcast(&[], &[2]).expect("fits"), [0, 0]);
        assert_eq!(broadcast(&[2], &[3]), None);
        assert_eq!(common(&[2, 1], &[3]), Some(vec![2, 3]));
        assert_eq!(common(&[2], &[3]), None);
    }

    #[test]
    fn reshaping_keeps_copies_and_completes_extents() {
        assert_eq!(reshaped(&[1, 6], &[0, 2, -1]), Some(vec![1, 2, 3]));
        assert_eq!(reshaped(&[1, 6], &[-1, -1]), None);
        assert_eq!(reshaped(&[1, 6], &[4]), None);
        assert_eq!(reshaped(&[1, 6], &[i64::MAX, i64::MAX]), None);
        assert_eq!(reshaped(&[1, 6], &[0, 0, 1, 1]), Some(vec![1, 6, 1, 1]));
    }

    #[test]
    fn choosing_indices_selects_a_part() {
        let lists = [vec![Some(1)], vec![Some(2), None, Some(0)]];
        assert_eq!(choose(&[2, 3], &lists), [Some(5), None, Some(3)]);
    }
}
