//! Orders are spread over partitions, so that each atomic step touches one slot of a cluster and partitions go on side
//! by side.

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

/// How many partitions there are. The same for every service and for as long as the data lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partitions(u16);

/// This process and the data in Redis disagree about the number of partitions.
#[derive(Debug, thiserror::Error)]
#[error(
    "this Redis holds data in {stored} partitions, but this service was started with {asked}: start it with \
     --partitions {stored} (ORDERLY_PARTITIONS), or use another Redis or --key-prefix"
)]
pub struct PartitionsDiffer {
    stored: u16,
    asked: u16,
}

impl Partitions {
    /// So many partitions; at least one.
    pub fn new(count: u16) -> Self {
        Self(count.max(1))
    }

    /// How many.
    pub fn count(self) -> u16 {
        self.0
    }

    /// All of them, from 0.
    pub fn all(self) -> impl Iterator<Item = u16> {
        0..self.0
    }

    /// The partition of an order: xxh3 of its id's 16 bytes, modulo their number. Stable across versions and machines.
    pub fn of_order(self, order_id: Uuid) -> u16 {
        self.of_bytes(order_id.as_bytes())
    }

    /// The partition of anything else that is hashed, such as an idempotency key.
    pub fn of_bytes(self, bytes: &[u8]) -> u16 {
        let remainder = xxh3_64(bytes) % u64::from(self.0);
        // Less than `self.0`.
        u16::try_from(remainder).unwrap_or_default()
    }

    /// A new order's id, drawn at random until it falls into `partition`.
    pub fn draw_order_id(self, partition: u16) -> Uuid {
        loop {
            let id = Uuid::new_v4();
            if self.of_order(id) == partition {
                return id;
            }
        }
    }

    /// Fails if `stored`, the number that the data in Redis lives in, is another one.
    pub fn check(self, stored: u16) -> Result<(), PartitionsDiffer> {
        if stored == self.0 { Ok(()) } else { Err(PartitionsDiffer { stored, asked: self.0 }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_of_an_id_never_changes() {
        let partitions = Partitions::new(4);
        let ids = ["00000000-0000-4000-8000-000000000000", "67e55044-10b1-426f-9247-bb680e5fe0c8"];
        let found = ids.map(|id| partitions.of_order(id.parse().unwrap()));
        // Data written by an earlier version must be found by a later one.
        assert_eq!(found, [1, 3]);
    }

    #[test]
    fn a_drawn_id_falls_into_the_partition_it_was_drawn_for() {
        let partitions = Partitions::new(4);
        for partition in partitions.all() {
            assert_eq!(partitions.of_order(partitions.draw_order_id(partition)), partition);
        }
    }

    #[test]
    fn orders_are_spread_evenly() {
        let partitions = Partitions::new(4);
        let mut counts = [0_u32; 4];
        for _ in 0..40_000 {
            counts[usize::from(partitions.of_order(Uuid::new_v4()))] += 1;
        }
        // 10,000 each; six standard deviations are about 520.
        assert!(counts.iter().all(|count| (9_400..10_600).contains(count)), "{counts:?}");
    }
}
