//! List prices of AWS in us-east-1, in US dollars without tax, as they were known in November 2026. Free tiers and discounts
//! are left out.
//!
//! Compare them with the service's own page of prices before you rely on a sum: `https://aws.amazon.com/{lambda, api-gateway,
//! dynamodb, kms, cloudwatch, eventbridge}/pricing/`; data out with that of EC2, on demand.

/// What so many of something cost.
#[derive(Clone, Copy)]
pub(crate) struct Price {
    pub(crate) usd: f64,
    pub(crate) per: f64,
    pub(crate) unit: &'static str,
}

const fn price(usd: f64, per: f64, unit: &'static str) -> Price {
    Price { usd, per, unit }
}

const MILLION: f64 = 1e6;

pub(crate) const HTTP_API: Price = price(1.00, MILLION, "million requests of up to 512 KB");
pub(crate) const LAMBDA_REQUESTS: Price = price(0.20, MILLION, "million requests");
/// On arm64; on x86-64 a quarter more.
pub(crate) const LAMBDA_DURATION: Price = price(13.3334, MILLION, "million GB-s");
pub(crate) const READ_UNITS: Price = price(0.125, MILLION, "million read request units");
pub(crate) const WRITE_UNITS: Price = price(0.625, MILLION, "million write request units");
pub(crate) const STORED: Price = price(0.25, 1.0, "GB and month");
pub(crate) const RECOVERABLE: Price = price(0.20, 1.0, "GB and month");
/// Calls of STS cost nothing.
pub(crate) const STS: Price = price(0.0, MILLION, "million calls");
pub(crate) const KEY: Price = price(1.00, 1.0, "key and month");
pub(crate) const KMS_CALLS: Price = price(0.03, 10_000.0, "10,000 calls");
/// After the first 100 GB of a month.
pub(crate) const DATA_OUT: Price = price(0.09, 1.0, "GB");
pub(crate) const LOGS: Price = price(0.50, 1.0, "GB");
pub(crate) const METRIC: Price = price(0.30, 1.0, "metric and month");
pub(crate) const ALARM: Price = price(0.10, 1.0, "alarm and month");
pub(crate) const DASHBOARD: Price = price(3.00, 1.0, "dashboard and month");
pub(crate) const SCHEDULER: Price = price(1.00, MILLION, "million invocations");

impl Price {
    pub(crate) fn of(self, quantity: f64) -> f64 {
        quantity * self.usd / self.per
    }
}
