//! The pattern of `docs/cache-aside.md`. It keeps its entries in the Redis that `ASIDE_URL` names, and in this process without.
use std::error::Error;
use std::time::Duration;

use perfdeck_cache::MemoryCache;
use perfdeck_cache::aside::{Aside, Namespace, Store, Tag, cached};
use perfdeck_model::{Address, CacheTarget};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Appointment {
    id: u64,
    clinic: u64,
    at: String,
}

/// A source, such as a database.
async fn read_appointment(key: String) -> Result<Option<Appointment>, std::io::Error> {
    let numbers = key.split_once('-').and_then(|(clinic, id)| Some((clinic.parse().ok()?, id.parse().ok()?)));
    Ok(numbers.map(|(clinic, id)| Appointment { id, clinic, at: "09:30".to_owned() }))
}

fn store(url: Option<&str>) -> Result<Store, Box<dyn Error>> {
    let Some(url) = url else { return Ok(Store::Memory(MemoryCache::new(64 << 20))) };
    let (address, password) = Address::parse(url).map_err(|e| e.message)?;
    let target = CacheTarget { default_ttl_s: 300.0, ..CacheTarget::of(address) };
    Ok(Store::Redis { target, password })
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("ASIDE_URL").ok();
    let cache = Aside::builder("clinic", store(url.as_deref())?).build().await?;
    let appointments: Namespace<String, Appointment, std::io::Error> = cache
        .namespace("appointments")
        .stale(Duration::from_secs(30)) // served while it is loaded anew
        .negative(Duration::from_secs(10)) // "there is none" is an answer too
        .first_level(16 << 20) // and a copy in this process, 16 MB at most
        .tags(|key: &String| vec![Tag::named(format!("clinic-{}", key.split('-').next().unwrap_or_default()))])
        .build()?;

    // The function with its answers cached, in one line.
    let appointment = cached(appointments, read_appointment);
    let first = appointment.get("7-42".to_owned()).await?;
    assert_eq!(first.as_ref().map(|a| a.id), Some(42));
    assert_eq!(appointment.get("nonsense".to_owned()).await?, None);

    // Change the source, then invalidate: one entry, or all of a clinic. An error means that old answers may be served still.
    appointment.namespace().invalidate(&"7-42".to_owned()).await?;
    cache.invalidate_tag(&Tag::named("clinic-7")).await?;
    assert_eq!(appointment.get("7-42".to_owned()).await?, first);
    assert!(appointment.namespace().figures().loads >= 2);
    Ok(())
}
