//! The regions a call may be signed for, and the partition each belongs to.

use mayfly::provider::aws::Region;

/// The partition of a region; none if there is no such region.
pub(super) fn partition(region: &str) -> Option<&'static str> {
    Region::named("region", region)
        .ok()
        .map(|region| region.partition.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_one_partition() {
        assert_eq!(partition("eu-central-1"), Some("aws"));
        assert_eq!(partition("cn-north-1"), Some("aws-cn"));
        assert_eq!(partition("us-gov-west-1"), Some("aws-us-gov"));
        assert_eq!(partition("eusc-de-east-1"), Some("aws-eusc"));
        assert_eq!(partition("us-central-1"), None);
    }
}
