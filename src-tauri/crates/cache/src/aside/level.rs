//! The first level: values in this process, within a bound of bytes. A key's entry is put and removed only in moka's exclusive step for
//! that key, and in the same step it is decided whether what was on its way may still land.
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::ops::compute::Op;
use moka::sync::Cache;

use super::flight::{Flight, Flights};
use super::local::Moment;

/// Longest time that an entry is served without looking into the store: what bounds its age should the store's messages get lost.
pub(crate) const CAP: Duration = Duration::from_secs(5);
/// What an entry takes beside its key and value, in bytes.
const OVERHEAD: usize = 160;

/// An entry.
pub(crate) struct Landed<V> {
    pub(crate) value: Option<Arc<V>>,
    generation: u64,
    moment: Moment,
    life: Duration,
    bytes: usize,
}

struct Life;

impl<V> Expiry<String, Arc<Landed<V>>> for Life {
    fn expire_after_create(&self, _: &String, landed: &Arc<Landed<V>>, _: Instant) -> Option<Duration> {
        Some(landed.life)
    }

    fn expire_after_update(
        &self,
        _: &String,
        landed: &Arc<Landed<V>>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(landed.life)
    }
}

/// See the module.
pub(crate) struct First<V>(Cache<String, Arc<Landed<V>>>);

impl<V: Send + Sync + 'static> First<V> {
    /// A level of at most `bytes`.
    pub(crate) fn new(bytes: u64) -> Self {
        let weight = |key: &String, landed: &Arc<Landed<V>>| {
            u32::try_from(key.len() + landed.bytes + OVERHEAD).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(bytes).weigher(weight).expire_after(Life).build())
    }

    /// The entry of a key, if it may be served in this generation.
    pub(crate) fn get(&self, key: &str, generation: u64) -> Option<Arc<Landed<V>>> {
        self.0.get(key).filter(|landed| landed.generation == generation && landed.moment.holds())
    }

    /// Lands what a flight has read, unless something was invalidated since the flight began; whether it did.
    pub(crate) fn land<E>(
        &self,
        key: &str,
        flight: &Flight<V, E>,
        generation: impl FnOnce() -> u64,
        value: Option<Arc<V>>,
        (life, bytes): (Duration, usize),
    ) -> bool {
        let mut landed = false;
        self.0.entry_by_ref(key).and_compute_with(|_| {
            // Nobody tells of changes in an odd generation.
            if !flight.generation.is_multiple_of(2)
                || generation() != flight.generation
                || !flight.holds()
                || life.is_zero()
            {
                return Op::Nop;
            }
            landed = true;
            let (generation, moment) = (flight.generation, flight.moment.clone());
            Op::Put(Arc::new(Landed { value, generation, moment, life: life.min(CAP), bytes }))
        });
        landed
    }

    /// Forgets a key, and marks its flight in the same step.
    pub(crate) fn forget<E>(&self, key: &str, flights: &Flights<V, E>) {
        self.0.entry_by_ref(key).and_compute_with(|_| {
            flights.mark(key);
            Op::Remove
        });
    }

    /// Gives the memory of all entries back. They belong to a generation that is no more, so that none is served and none lands.
    pub(crate) fn clear(&self) {
        self.0.invalidate_all();
    }

    /// Bytes held, once what waits to be tidied up was.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> u64 {
        self.0.run_pending_tasks();
        self.0.weighted_size()
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::Tag;
    use super::super::local::Local;
    use super::*;

    struct Bed {
        local: Arc<Local>,
        first: First<u32>,
        flights: Flights<u32, String>,
    }

    const LIFE: (Duration, usize) = (Duration::from_secs(60), 4);

    impl Bed {
        fn new() -> Self {
            Self { local: Local::new(true), first: First::new(1 << 20), flights: Flights::default() }
        }

        fn begin(&self, key: &str, tags: &[Tag]) -> Arc<Flight<u32, String>> {
            self.flights.join(key, self.local.generation(), || self.local.moment(tags)).0
        }

        fn land(&self, key: &str, flight: &Flight<u32, String>) -> bool {
            self.first.land(key, flight, || self.local.generation(), Some(Arc::new(1)), LIFE)
        }

        fn held(&self, key: &str) -> bool {
            self.first.get(key, self.local.generation()).is_some()
        }
    }

    #[test]
    fn what_began_before_an_invalidation_never_lands_after_it() {
        let bed = Bed::new();
        let tags = [Tag::named("t"), Tag::user(1)];
        let ways: [(&str, &dyn Fn()); 6] = [
            ("by key", &|| bed.first.forget("k", &bed.flights)),
            ("by tag", &|| bed.local.changed("@tag:t")),
            ("by user", &|| bed.local.changed("@user:1")),
            ("all", &|| bed.local.flush()),
            ("told no more", &|| bed.local.set_told(false)),
            ("told again", &|| bed.local.set_told(true)),
        ];
        for (way, invalidate) in ways {
            let flight = bed.begin("k", &tags);
            invalidate();
            assert!(!bed.land("k", &flight), "{way}: it does not land");
            assert!(!bed.held("k"), "{way}: nothing is served");
            bed.flights.mark_all();
            let next = bed.begin("k", &tags);
            let told = bed.local.told();
            assert_eq!(bed.land("k", &next), told, "{way}: the next one does, where changes are told");
            assert_eq!(bed.held("k"), told);
            invalidate();
            assert!(!bed.held("k"), "{way}: what landed is gone");
            bed.local.set_told(true);
            bed.flights.mark_all();
        }
    }

    /// A thread that invalidates against one that lands: whichever comes first, nothing old is left.
    #[test]
    fn a_thousand_races_leave_nothing_old() {
        let bed = Bed::new();
        let tags = [Tag::named("t")];
        let barrier = std::sync::Barrier::new(2);
        let mut landed = 0;
        for round in 0..1_000 {
            let flight = bed.begin("k", &tags);
            let lands = std::thread::scope(|scope| {
                scope.spawn(|| {
                    barrier.wait();
                    match round % 3 {
                        0 => bed.first.forget("k", &bed.flights),
                        1 => bed.local.changed("@tag:t"),
                        _ => bed.local.flush(),
                    }
                });
                barrier.wait();
                bed.land("k", &flight)
            });
            landed += u32::from(lands);
            assert!(!bed.held("k"), "round {round}: landed before it is removed, after it is refused");
            bed.flights.mark_all();
        }
        assert!((1..1_000).contains(&landed), "both orders came about: {landed} of 1,000 landed first");
    }

    #[test]
    fn it_holds_no_more_than_it_may() {
        let bed = Bed { first: First::new(10_000), ..Bed::new() };
        for n in 0..1_000 {
            let key = format!("k{n}");
            let flight = bed.begin(&key, &[]);
            bed.first.land(&key, &flight, || bed.local.generation(), Some(Arc::new(n)), (LIFE.0, 500));
        }
        assert!(bed.first.bytes() <= 10_000, "{} bytes", bed.first.bytes());
    }
}
