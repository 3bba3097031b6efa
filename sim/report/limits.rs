//! What a hub's limits and its servers did, in words.

use super::human_duration;
use crate::measure::{ServiceCount, ThrottleCount};

/// What the limit of one kind of operation did: `method: 120 let through (20 after 1.50 s on average), 3 refused`.
#[must_use]
pub fn limit_in_words(count: &ThrottleCount) -> String {
    let ThrottleCount { operation, admitted, delayed, refused, wait_ms_total, fault, busy } = count;
    let waited = waited(*delayed, *wait_ms_total);
    let whose = fault.as_ref().map(|fault| format!(" (fault {fault})")).unwrap_or_default();
    let used = busy.as_ref().and_then(|busy| Some(format!(", {:.0} % of the limit used", busy.goodput_pct()?)));
    format!("{operation}{whose}: {admitted} let through{waited}, {refused} refused{}", used.unwrap_or_default())
}

/// What the servers did: `80 operations (20 after 4.20 ms on average), 0 refused; 4 servers, 98 % of the time at work`.
#[must_use]
pub fn servers_in_words(count: &ServiceCount) -> String {
    let ServiceCount { operations, refused, servers, .. } = count;
    let waited = waited(count.waited, count.wait_ms_total);
    let plural = if *servers == 1 { "" } else { "s" };
    let busy = count.busy_pct().unwrap_or_default();
    format!(
        "{operations} operations{waited}, {refused} refused; {servers} server{plural}, {busy:.0} % of the time at work"
    )
}

/// How many waited and for how long, if any did.
fn waited(count: u64, wait_ms_total: u64) -> String {
    match count {
        0 => String::new(),
        _ => format!(" ({count} after {} on average)", human_duration(wait_ms_total as f64 / 1e3 / count as f64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::BusyThrottle;

    #[test]
    fn means_are_told_in_the_unit_that_fits_and_one_server_is_one() {
        let count = ServiceCount {
            operations: 500,
            waited: 156,
            wait_ms_total: 46,
            refused: 0,
            servers: 1,
            busy_s: 2.5,
            server_s: 10.0,
        };
        let text = "500 operations (156 after 295 us on average), 0 refused; 1 server, 25 % of the time at work";
        assert_eq!(servers_in_words(&count), text);
        let four = ServiceCount { servers: 4, waited: 0, ..count };
        assert_eq!(servers_in_words(&four), "500 operations, 0 refused; 4 servers, 25 % of the time at work");
        let count = ThrottleCount {
            operation: "method".to_owned(),
            admitted: 9,
            delayed: 4,
            refused: 1,
            wait_ms_total: 3,
            ..ThrottleCount::default()
        };
        assert_eq!(limit_in_words(&count), "method: 9 let through (4 after 750 us on average), 1 refused");
        let busy = Some(BusyThrottle { seconds: 10, allowed: 500.0, passed: 490.0 });
        let imposed = ThrottleCount { fault: Some("tight".to_owned()), delayed: 0, busy, ..count };
        let text = "method (fault tight): 9 let through, 1 refused, 98 % of the limit used";
        assert_eq!(limit_in_words(&imposed), text);
    }
}
