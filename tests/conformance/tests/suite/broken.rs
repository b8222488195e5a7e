//! The suite fails on servers that break one rule.

use std::collections::BTreeSet;

use conformance::{Outcome, cases, report, run};

use crate::{
    breaks::breaks,
    proxy::Proxy,
    world::{options, server},
};

#[test]
fn a_proxy_that_breaks_nothing_passes() {
    let proxy = Proxy::start(server().address());
    let mut lines = Vec::new();
    let runs = run(options(format!("http://{}", proxy.address)), |run| lines.push(report::line(run)));
    assert!(runs.iter().all(|run| run.outcome == Outcome::Passed), "{}", lines.join("\n"));
}

#[test]
fn a_server_that_breaks_one_rule_fails_the_case_of_that_rule() {
    let proxy = Proxy::start(server().address());
    let (mut unnoticed, mut broken) = (Vec::new(), BTreeSet::new());
    for (sentence, breaks) in breaks() {
        proxy.set(Some(breaks));
        let mut options = options(format!("http://{}", proxy.address));
        options.only = vec![sentence.to_owned()];
        let runs = run(options, |_| {});
        if !runs.iter().any(|run| matches!(run.outcome, Outcome::Failed(_))) {
            unnoticed
                .push(format!("{sentence}: {:?}", runs.iter().map(|run| &run.outcome).collect::<Vec<_>>()));
        }
        broken.insert(sentence);
    }
    println!("{} sentences broken, {} unnoticed", broken.len(), unnoticed.len());
    assert!(unnoticed.is_empty(), "{}", unnoticed.join("\n"));
    let tested: BTreeSet<&str> = cases().iter().map(|case| case.sentence).collect();
    let never_broken: Vec<_> = tested.difference(&broken).collect();
    assert!(never_broken.is_empty(), "cases that nothing shows to be able to fail: {never_broken:?}");
}
