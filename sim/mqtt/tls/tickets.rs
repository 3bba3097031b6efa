//! Session tickets that devices resume by.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

/// Tickets that are kept. Each connection takes one and brings one, so that connections under way at once are what
/// matters, not devices: a ticket for each of these would cost more memory than the connections.
const KEPT: usize = 1024;

/// The tickets of one hub, shared by all devices of a process: it is one hub that issues them, and nothing in them names
/// a device.
#[derive(Default)]
struct Pool {
    /// Of TLS 1.3: each opens one connection. The oldest are given up when there are too many.
    tickets: VecDeque<Tls13ClientSessionValue>,
    /// Of TLS 1.2: may be used again and again.
    session: Option<Tls12ClientSessionValue>,
    group: Option<NamedGroup>,
}

/// One end of a pool: all connections add to it, and those that resume take from it.
#[derive(Clone)]
pub(super) struct Tickets {
    pool: Arc<Mutex<Pool>>,
    takes: bool,
}

impl Tickets {
    /// A new pool's two ends: for connections that only add to it, and for those that resume.
    pub(super) fn pool() -> (Self, Self) {
        let pool = Arc::<Mutex<Pool>>::default();
        (Self { pool: Arc::clone(&pool), takes: false }, Self { pool, takes: true })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Pool) -> T) -> T {
        // Nothing panics while it is held.
        work(&mut self.pool.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").field("takes", &self.takes).finish_non_exhaustive()
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.with(|pool| pool.group = Some(group));
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.with(|pool| pool.group)
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.with(|pool| pool.session = Some(value));
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.with(|pool| pool.session.clone().filter(|_| self.takes))
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.with(|pool| pool.session = None);
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.with(|pool| {
            if pool.tickets.len() == KEPT {
                pool.tickets.pop_front();
            }
            pool.tickets.push_back(value);
        });
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        // The newest: it is the last to expire.
        self.with(|pool| if self.takes { pool.tickets.pop_back() } else { None })
    }
}
