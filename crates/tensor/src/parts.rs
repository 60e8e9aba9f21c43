//! Consecutive parts of an axis, which bound the memory of a pass over many rows.

/// First index and length of consecutive parts of `0..len`, each at most `most` long and none
/// empty.
///
/// For `narrow(axis, first, length)`. A `most` below 1 counts as 1.
pub fn parts(len: i64, most: i64) -> impl Iterator<Item = (i64, i64)> {
    let most = most.max(1);
    let step = usize::try_from(most).expect("invariant: positive");
    (0..len)
        .step_by(step)
        .map(move |first| (first, most.min(len - first)))
}

#[cfg(test)]
mod tests {
    use super::parts;
    use proptest::prelude::*;

    #[test]
    fn nothing_has_no_parts_and_no_part_is_empty() {
        assert_eq!(parts(0, 3).count(), 0);
        assert_eq!(parts(2, 0).collect::<Vec<_>>(), [(0, 1), (1, 1)]);
        assert_eq!(parts(5, i64::MAX).collect::<Vec<_>>(), [(0, 5)]);
    }

    proptest! {
        #[test]
        fn parts_are_consecutive_and_cover_everything(len in 0_i64..200, most in 1_i64..50) {
            let mut end = 0;
            for (first, n) in parts(len, most) {
                prop_assert_eq!(first, end);
                prop_assert!((1..=most).contains(&n));
                prop_assert!(n == most || first + n == len);
                end = first + n;
            }
            prop_assert_eq!(end, len);
        }
    }
}
