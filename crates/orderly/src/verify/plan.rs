//! Which orders are looked at together, so that no more are in memory than was allowed.

use std::ops::RangeInclusive;

use common::{messages::OrderId, partition::Partitions};

/// The orders of one pass: those of some partitions, or a slice of those of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) partitions: RangeInclusive<u16>,
    slice: u32,
    slices: u32,
}

impl Share {
    /// Every order there is.
    pub(super) fn all(partitions: Partitions) -> Self {
        Self { partitions: 0..=partitions.count() - 1, slice: 0, slices: 1 }
    }

    /// Whether an order of `partition` is one of these.
    pub(super) fn holds(&self, order_id: OrderId, partition: u16) -> bool {
        // The partition was chosen by a hash of the id; its own random bits tell nothing about that.
        let slice = order_id.as_u128() % u128::from(self.slices);
        self.partitions.contains(&partition) && slice == u128::from(self.slice)
    }

    /// Whether what a partition holds and is no order's (or nobody knows whose) is told in this pass; in one it must be.
    pub(super) fn tells_rest_of(&self, partition: u16) -> bool {
        self.slice == 0 && self.partitions.contains(&partition)
    }
}

/// Divides all orders into shares of `at_a_time` at most. `sizes` are how many orders each partition has at most.
pub(super) fn shares(sizes: &[u64], at_a_time: u64) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    let mut room = 0;
    for (partition, size) in (0_u16..).zip(sizes) {
        let slices = u32::try_from(size.div_ceil(at_a_time)).unwrap_or(u32::MAX).max(1);
        match shares.last_mut() {
            Some(share) if *size <= room => share.partitions = *share.partitions.start()..=partition,
            _ => {
                shares.extend((0..slices).map(|slice| Share {
                    partitions: partition..=partition,
                    slice,
                    slices,
                }));
                // Nothing may join a slice: it is read once for each of its siblings.
                room = if slices == 1 { at_a_time } else { 0 };
            }
        }
        room = room.saturating_sub(*size);
    }
    shares
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn shape(sizes: &[u64], at_a_time: u64) -> Vec<(RangeInclusive<u16>, u32, u32)> {
        let shares = shares(sizes, at_a_time);
        shares.into_iter().map(|share| (share.partitions, share.slice, share.slices)).collect()
    }

    #[test]
    fn partitions_share_a_pass_while_there_is_room() {
        assert_eq!(shape(&[5, 5, 5, 5], 100), [(0..=3, 0, 1)]);
        assert_eq!(shape(&[5, 5, 5, 5], 10), [(0..=1, 0, 1), (2..=3, 0, 1)]);
        assert_eq!(shape(&[0, 0], 10), [(0..=1, 0, 1)]);
    }

    #[test]
    fn a_partition_that_is_too_large_takes_several_passes_of_its_own() {
        assert_eq!(
            shape(&[5, 25, 5], 10),
            [(0..=0, 0, 1), (1..=1, 0, 3), (1..=1, 1, 3), (1..=1, 2, 3), (2..=2, 0, 1)]
        );
    }

    #[test]
    fn every_order_is_in_one_pass_and_the_slices_are_even() {
        let partitions = Partitions::new(3);
        let shares = shares(&[5, 25, 5], 10);
        let mut orders_by_share = vec![0_u32; shares.len()];
        for _ in 0..3_000 {
            let id = Uuid::new_v4();
            let partition = partitions.of_order(id);
            let held: Vec<usize> =
                (0..shares.len()).filter(|share| shares[*share].holds(id, partition)).collect();
            assert_eq!(held.len(), 1, "{id} is in {held:?}");
            orders_by_share[held[0]] += 1;
        }
        assert!(orders_by_share[1..4].iter().all(|count| (230..440).contains(count)), "{orders_by_share:?}");
    }
}
