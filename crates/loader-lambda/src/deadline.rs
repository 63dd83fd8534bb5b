//! Until when an invocation may work.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The moment at which an invocation has to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    at: Instant,
}

impl Deadline {
    /// Returns the deadline that is this long from now.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self { at: Instant::now() + time }
    }

    /// Returns the deadline at a moment of the wall clock, in milliseconds since
    /// 1970, as the Lambda service gives it.
    #[must_use]
    pub fn at_epoch_ms(epoch_ms: u64) -> Self {
        let at = UNIX_EPOCH + Duration::from_millis(epoch_ms);
        Self::after(at.duration_since(SystemTime::now()).unwrap_or_default())
    }

    /// Returns the same deadline, earlier by a margin.
    #[must_use]
    pub fn earlier_by(self, margin: Duration) -> Self {
        Self { at: self.at.checked_sub(margin).unwrap_or(self.at) }
    }

    /// Returns the moment.
    #[must_use]
    pub const fn instant(self) -> Instant {
        self.at
    }

    /// Returns the time that is left; zero once it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Says whether work of this length still fits.
    #[must_use]
    pub fn leaves(self, time: Duration) -> bool {
        self.remaining() >= time
    }

    /// Waits for the moment.
    pub async fn passed(self) {
        tokio::time::sleep_until(self.at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_time_that_is_left_runs_down_to_zero() {
        let deadline = Deadline::after(Duration::from_secs(10)).earlier_by(Duration::from_secs(1));
        assert_eq!(deadline.remaining(), Duration::from_secs(9));
        assert!(deadline.leaves(Duration::from_secs(9)));
        assert!(!deadline.leaves(Duration::from_secs(10)));
        deadline.passed().await;
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(deadline.remaining(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_moment_of_the_wall_clock_that_is_gone_leaves_nothing() {
        assert_eq!(Deadline::at_epoch_ms(1).remaining(), Duration::ZERO);
        let in_an_hour = SystemTime::now() + Duration::from_hours(1);
        let epoch_ms = in_an_hour.duration_since(UNIX_EPOCH).unwrap().as_millis();
        let deadline = Deadline::at_epoch_ms(epoch_ms.try_into().unwrap());
        assert!(deadline.leaves(Duration::from_secs(3_500)));
    }
}
