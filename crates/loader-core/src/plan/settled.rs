//! Whether a delivery has arrived: its marker, its keys, and how long its youngest
//! object has been there.

use std::collections::BTreeSet;

use tokio_postgres::GenericClient;

use crate::database::failure::failure;
use crate::definition::ResolvedDefinition;
use crate::definition::selection::Selection;
use crate::error::{Error, ErrorName, Result};
use crate::listing::Pages;
use crate::source::{ObjectSource, ObjectVersion};

/// What a listing says of a delivery.
pub(crate) struct Arrival<'a> {
    definition: &'a ResolvedDefinition,
    /// The keys that have not been seen yet, below the prefix.
    missing: BTreeSet<&'a str>,
    has_marker: bool,
    objects: u64,
    youngest: Option<(i64, String)>,
}

impl<'a> Arrival<'a> {
    pub(crate) fn new(definition: &'a ResolvedDefinition) -> Self {
        let keys = definition.delivery.keys.iter().flatten().map(String::as_str);
        Self { definition, missing: keys.collect(), has_marker: false, objects: 0, youngest: None }
    }

    /// Takes note of a listed object; `wanted` says whether it is to be loaded.
    pub(crate) fn saw(&mut self, object: &ObjectVersion, wanted: bool) {
        let below = object.key.strip_prefix(self.definition.prefix.as_str()).unwrap_or(&object.key);
        self.has_marker |= self.definition.delivery.marker.as_deref() == Some(below);
        self.missing.remove(below);
        // What nobody loads, such as a log that is always written to, holds nothing up.
        if !wanted {
            return;
        }
        self.objects += 1;
        if let Some(at) = object.last_modified
            && self.youngest.as_ref().is_none_or(|(youngest, _)| at > *youngest)
        {
            self.youngest = Some((at, below.to_owned()));
        }
    }

    /// Checks that all has arrived. The clock is the database's: those of the Lambdas
    /// are nobody's, and S3 and a database are both kept in time.
    ///
    /// # Errors
    /// `DeliveryIncomplete`, which says all that is missing; those of the database.
    pub(crate) async fn check(&self, client: &impl GenericClient) -> Result<()> {
        let delivery = &self.definition.delivery;
        let mut missing = Vec::new();
        if let Some(marker) = delivery.marker.as_deref().filter(|_| !self.has_marker) {
            missing.push(format!("the marker {marker} is not there"));
        }
        if let (Some(first), Some(keys)) = (self.missing.first(), &delivery.keys) {
            let of = keys.len();
            missing.push(match self.missing.len() {
                1 => format!("the object {first}, one of {of}, is not there"),
                lacking => format!("{lacking} of {of} objects are not there, the first is {first}"),
            });
        }
        let settle = delivery.settle_seconds.unwrap_or(0);
        if missing.is_empty() && settle == 0 {
            return Ok(());
        }
        let youngest = self.age_of_youngest(client).await?;
        if let Some(Age { seconds, at, key }) = &youngest
            && *seconds < f64::from(u32::try_from(settle).unwrap_or(u32::MAX))
        {
            missing.push(format!(
                "its youngest object, {key}, was written at {at}, {} s ago, and settle_seconds is {settle}",
                seconds.max(0.0).floor()
            ));
        } else if missing.is_empty() {
            return Ok(());
        }
        let there = match (self.objects, &youngest) {
            (0, _) => "no object to load is there".to_owned(),
            (n, None) => format!("there are {n} objects to load"),
            (n, Some(Age { at, .. })) => {
                format!("objects to load so far: {n}, the youngest of {at}")
            }
        };
        Err(Error::new(
            ErrorName::DeliveryIncomplete,
            format!(
                "the delivery below s3://{}/{} is not complete: {}; {there}",
                self.definition.bucket,
                self.definition.prefix,
                missing.join("; ")
            ),
        ))
    }

    async fn age_of_youngest(&self, client: &impl GenericClient) -> Result<Option<Age>> {
        let Some((at, key)) = &self.youngest else { return Ok(None) };
        let row = client
            .query_one(
                "select extract(epoch from clock_timestamp())::float8 - $1::bigint,
                        to_char(to_timestamp($1::bigint) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS \"UTC\"')",
                &[at],
            )
            .await
            .map_err(|error| failure("asking the database for the time", &error))?;
        Ok(Some(Age { seconds: row.get(0), at: row.get(1), key: key.clone() }))
    }
}

/// How old the youngest object is.
struct Age {
    seconds: f64,
    at: String,
    key: String,
}

/// Checks a delivery by a listing of its own, for whoever has to look into the objects
/// before they are planned.
///
/// # Errors
/// `DeliveryIncomplete`; those of the source and of the database.
pub(crate) async fn check(
    client: &impl GenericClient,
    source: &dyn ObjectSource,
    definition: &ResolvedDefinition,
) -> Result<()> {
    if definition.delivery.is_empty() {
        return Ok(());
    }
    let selection = Selection::new(definition)?;
    let mut arrival = Arrival::new(definition);
    let mut pages = Pages::new(source, &definition.prefix);
    while let Some(objects) = pages.next().await? {
        for object in &objects {
            arrival.saw(object, selection.skip_reason(object).is_none());
        }
    }
    arrival.check(client).await
}
