//! Storage shared by several machines: object storage by its address, and the leases and the
//! archive in it.
//!
//! Addresses are `s3://bucket/…` and, in builds that support them, `gs://…` and `az://…`. Settings
//! that are not in the address come from the environment variables that other tools use: for S3
//! `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION` and
//! `AWS_ENDPOINT_URL` (any compatible server; buckets are part of the path unless
//! `AWS_VIRTUAL_HOSTED_STYLE_REQUEST` is true), or the role of the machine.
//!
//! An [`Address`] is opened as a store of objects ([`open`]) whose requests are retried, or as a
//! [`Bucket`], whose conditional puts implement the [`lease`]s. A [`mirror`] synchronises a folder
//! and a bucket.

pub mod shared_store;

mod bucket;
mod retrying;

pub mod lease;
pub mod mirror;
#[cfg(test)]
mod test_support;

pub use bucket::Bucket;
pub use lease::{Holder, Lease};
pub use mirror::Mirror;
pub use shared_store::{ETag, Entry, LakeFiles, SharedStore};

use object_store::{ObjectStore, aws::AmazonS3Builder, client::SpawnedReqwestConnector};
use retrying::RetryingStore;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

/// Schemes of object storage that this build supports.
pub const SCHEMES: &[&str] = &[
    "s3",
    #[cfg(feature = "gcp")]
    "gs",
    #[cfg(feature = "azure")]
    "az",
];

/// Time after which a failing request is no longer retried.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
/// Timeout for a connection without data.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// Maximum number of retries.
const MAX_RETRIES: usize = 12;
/// Number of threads for requests.
const THREADS: usize = 2;

/// A parsed address of object storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The scheme, such as `s3`.
    pub scheme: String,
    /// Bucket or container.
    pub bucket: String,
    /// The path, without a leading slash.
    pub key: String,
}

impl Address {
    /// Parses an address; `None` if its scheme is not supported.
    pub fn parse(uri: &str) -> Option<Self> {
        let (scheme, rest) = uri.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let scheme = if scheme == "s3a" {
            "s3"
        } else {
            scheme.as_str()
        };
        if !SCHEMES.contains(&scheme) {
            return None;
        }
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        Some(Self {
            scheme: scheme.to_string(),
            bucket: bucket.to_string(),
            key: key.to_string(),
        })
    }

    /// Appends a name to the address.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        let key = match self.key.trim_end_matches('/') {
            "" => name.to_string(),
            key => format!("{key}/{name}"),
        };
        let (scheme, bucket) = (self.scheme.clone(), self.bucket.clone());
        Self {
            scheme,
            bucket,
            key,
        }
    }

    /// Address of the bucket.
    pub fn root(&self) -> String {
        format!("{}://{}", self.scheme, self.bucket)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (root, key) = (self.root(), self.key.trim_end_matches('/'));
        match key {
            "" => f.write_str(&root),
            key => write!(f, "{root}/{key}"),
        }
    }
}

/// Opens a bucket, once per process, so that connections are reused. The error states the reason.
pub fn open(address: &Address) -> Result<Arc<dyn ObjectStore>, String> {
    static STORES: OnceLock<Mutex<BTreeMap<String, Arc<dyn ObjectStore>>>> = OnceLock::new();
    if address.bucket.is_empty() || address.bucket.contains('@') {
        let scheme = &address.scheme;
        return Err(format!(
            "must name a bucket: {scheme}://BUCKET/PATH; credentials belong in the environment"
        ));
    }
    let mut stores = STORES
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(store) = stores.get(&address.root()) {
        return Ok(store.clone());
    }
    if address.scheme == "s3" {
        check_endpoint()?;
    }
    let store = build(address).map_err(|error| {
        let reason = cause(&error);
        format!("names storage that cannot be opened: {reason}; check the environment")
    })?;
    let store: Arc<dyn ObjectStore> = Arc::new(RetryingStore::new(store));
    stores.insert(address.root(), store.clone());
    Ok(store)
}

/// The endpoint in the environment, with the name of its variable.
fn endpoint() -> Option<(&'static str, String)> {
    let names = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
    let mut set = names
        .iter()
        .filter_map(|name| Some((*name, std::env::var(name).ok()?)));
    set.next()
}

/// Checks the endpoint: the client accepts any text and would fail only at the first request.
fn check_endpoint() -> Result<(), String> {
    match endpoint() {
        Some((name, value)) if !is_endpoint(&value) => Err(format!(
            "cannot be reached: the environment variable {name} is {value:?}; set it to an address such as \
             https://storage.example.com:9000, or unset it"
        )),
        _ => Ok(()),
    }
}

fn is_endpoint(value: &str) -> bool {
    let host = ["http://", "https://"]
        .iter()
        .find_map(|scheme| value.strip_prefix(scheme));
    host.is_some_and(|host| {
        !host.is_empty() && !host.starts_with(['/', ':']) && !host.contains(char::is_whitespace)
    })
}

fn build(address: &Address) -> object_store::Result<Arc<dyn ObjectStore>> {
    let retry = object_store::RetryConfig {
        max_retries: MAX_RETRIES,
        retry_timeout: RETRY_TIMEOUT,
        ..object_store::RetryConfig::default()
    };
    // Requests run on their own threads, not on the caller's.
    let connector = SpawnedReqwestConnector::new(runtime().clone());
    let client = object_store::ClientOptions::new()
        .with_connect_timeout(Duration::from_secs(10))
        // A large object may take any time, provided that data arrives.
        .with_timeout_disabled()
        .with_read_timeout(READ_TIMEOUT);
    match address.scheme.as_str() {
        #[cfg(feature = "gcp")]
        "gs" => {
            let builder = object_store::gcp::GoogleCloudStorageBuilder::from_env()
                .with_bucket_name(&address.bucket)
                .with_client_options(client)
                .with_http_connector(connector)
                .with_retry(retry);
            Ok(Arc::new(builder.build()?))
        }
        #[cfg(feature = "azure")]
        "az" => {
            let builder = object_store::azure::MicrosoftAzureBuilder::from_env()
                .with_container_name(&address.bucket)
                .with_client_options(client)
                .with_http_connector(connector)
                .with_retry(retry);
            Ok(Arc::new(builder.build()?))
        }
        _ => {
            // An explicit endpoint without encryption is allowed.
            let allow_http =
                endpoint().is_some_and(|(_, endpoint)| endpoint.starts_with("http://"));
            let builder = AmazonS3Builder::from_env()
                .with_bucket_name(&address.bucket)
                .with_client_options(client.with_allow_http(allow_http))
                .with_http_connector(connector)
                .with_retry(retry);
            Ok(Arc::new(builder.build()?))
        }
    }
}

/// The runtime of all requests. It outlives every run, so that connections are reused and readers
/// can always finish.
pub fn runtime() -> &'static tokio::runtime::Handle {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let start = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("storage")
            .enable_all()
            .build()
    };
    // Without threads the program cannot work at all.
    let started = || start().unwrap_or_else(|error| panic!("cannot start threads: {error}"));
    RUNTIME.get_or_init(started).handle()
}

/// The root cause, without the storage client's own context.
pub fn cause(error: &object_store::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let message = cause.to_string();
    // The response of a server may be a whole page. Its first line is enough.
    let line = message.lines().find(|line| !line.trim().is_empty());
    line.unwrap_or("no reason given")
        .chars()
        .take(300)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed() {
        let address = Address::parse("s3://records/tickets/**/*.jsonl.gz").unwrap();
        assert_eq!(address.root(), "s3://records");
        assert_eq!(address.key, "tickets/**/*.jsonl.gz");
        assert_eq!(Address::parse("S3A://b").unwrap().root(), "s3://b");
        let lake = Address::parse("s3://b/lake/").unwrap();
        assert_eq!(lake.to_string(), "s3://b/lake");
        assert_eq!(lake.join("review").to_string(), "s3://b/lake/review");
        assert_eq!(
            Address::parse("s3://b").unwrap().join("x").to_string(),
            "s3://b/x"
        );
        assert_eq!(Address::parse("ftp://b/k"), None);
        assert_eq!(Address::parse("data/raw"), None);
    }

    #[test]
    fn endpoints_are_validated() {
        for valid in ["http://127.0.0.1:9000", "https://storage.example.com/"] {
            assert!(is_endpoint(valid), "{valid}");
        }
        for bad in [
            "",
            "127.0.0.1:9000",
            "http://",
            "http:///x",
            "ftp://x",
            "http://a b",
        ] {
            assert!(!is_endpoint(bad), "{bad}");
        }
    }

    #[test]
    fn credentials_in_an_address_are_refused() {
        let address = Address::parse("s3://key:secret@bucket/a").unwrap();
        let error = open(&address).unwrap_err();
        assert!(error.contains("environment") && !error.contains("secret"));
    }
}
