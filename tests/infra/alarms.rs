//! What alarms and the dashboard watch is what the functions emit.

use std::collections::BTreeSet;

use hcl::Expression;
use mayfly::metrics::{METRICS, Metric, NAMESPACE, VAULT};

use crate::source::{entries, file, local, text};

fn metric(name: &str) -> &'static Metric {
    let found = METRICS.iter().find(|metric| metric.name == name);
    found.unwrap_or_else(|| panic!("nothing emits {name}"))
}

/// Those of the vault's own metrics that an alarm watches, by the alarm.
fn watched() -> Vec<(String, &'static Metric)> {
    entries(&local("alarms.tf", "vault_alarms"))
        .into_iter()
        .map(|(alarm, settings)| (alarm, metric(text(&entries(&settings)["metric"]))))
        .collect()
}

#[test]
fn every_alarm_watches_a_metric_that_is_emitted() {
    let watched = watched();
    let names: BTreeSet<&str> = watched.iter().map(|(_, metric)| metric.name).collect();
    for (alarm, metric) in &watched {
        // One that has more dimensions would have to name their values too, or would never see a value.
        assert_eq!(metric.dimensions, [""; 0], "{alarm}");
    }
    let wanted = [
        "AdminRecoveries",
        "AuditFailures",
        "LeasesStuck",
        "UnreadableRecords",
        "WorkerLag",
    ];
    assert_eq!(names, wanted.into());
}

#[test]
fn alarms_look_where_metrics_are_kept() {
    let alarms = file("alarms.tf");
    let alarm = alarms
        .blocks()
        .find(|block| {
            block
                .labels()
                .iter()
                .map(hcl::BlockLabel::as_str)
                .eq(["aws_cloudwatch_metric_alarm", "vault"])
        })
        .unwrap();
    let attribute = |name: &str| {
        let mut all = alarm.body().attributes();
        all.find(|attribute| attribute.key() == name)
            .unwrap()
            .expr()
            .clone()
    };
    assert_eq!(text(&attribute("namespace")), NAMESPACE);
    let dimensions: Vec<String> = entries(&attribute("dimensions")).into_keys().collect();
    assert_eq!(dimensions, [VAULT]);
}

#[test]
fn dashboard_shows_every_metric_by_its_dimensions() {
    let Expression::Array(charts) = local("dashboard.tf", "vault_charts") else {
        panic!("not a list");
    };
    let mut shown = BTreeSet::new();
    for chart in &charts {
        let chart = entries(chart);
        let metric = metric(text(&chart["metric"]));
        let Expression::Array(by) = &chart["by"] else {
            panic!("{}: not a list", metric.name);
        };
        let by: Vec<&str> = by.iter().map(text).collect();
        assert_eq!(by, metric.dimensions, "{}", metric.name);
        shown.insert(metric.name);
    }
    let all: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(shown, all);
}
