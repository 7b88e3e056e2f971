use std::time::Duration;

/// A process that ran for so long had started well; its next death is the first again.
const STABLE: Duration = Duration::from_secs(10);

/// How long to wait before starting again what died: doubling from 100 ms to 5 s while it keeps dying.
pub(super) fn restart_pause(deaths: &mut u32, lived: Duration) -> Duration {
    if lived > STABLE {
        *deaths = 0;
    }
    let pause = Duration::from_millis(100) * 2_u32.saturating_pow(*deaths).min(50);
    *deaths += 1;
    pause
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_while_it_keeps_dying_and_start_over_once_it_was_stable() {
        let mut deaths = 0;
        let pauses: Vec<u128> =
            (0..8).map(|_| restart_pause(&mut deaths, Duration::ZERO).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(restart_pause(&mut deaths, STABLE * 2).as_millis(), 100);
    }
}
