use super::*;
use crate::{
    executor::{FailureKind, NoProgress},
    test_support::{self, Action, Folder, ScriptedExecutor, TestClock},
};
use retrocast_domain::{Cell, CellStatus};
use retrocast_run::{Event, Plan, RunSummary};
use std::sync::atomic::{AtomicBool, Ordering};

struct Setup {
    folder: Folder,
    executor: Arc<ScriptedExecutor>,
    clock: Arc<TestClock>,
    runner: Runner,
}

impl Setup {
    fn new(actions: impl IntoIterator<Item = (&'static str, Action)>) -> Self {
        Self::with(actions, CancellationToken::new())
    }

    fn with(
        actions: impl IntoIterator<Item = (&'static str, Action)>,
        cancel: CancellationToken,
    ) -> Self {
        let folder = Folder::new();
        let executor = Arc::new(ScriptedExecutor::new(actions));
        let clock = Arc::new(TestClock::default());
        let mut options = RunOptions::new(folder.join("lake"), folder.join("reports"), "0.1.0");
        options.threads = 4;
        options.cancel = cancel;
        let listener = Arc::new(NoProgress);
        let runner = Runner::new(executor.clone(), clock.clone(), listener, options);
        Self {
            folder,
            executor,
            clock,
            runner,
        }
    }

    async fn run(&self, text: &str) -> RunResult {
        self.run_plan(text, test_support::plan(text)).await
    }

    async fn run_plan(&self, text: &str, plan: Plan) -> RunResult {
        let result = self
            .runner
            .run(Arc::new(test_support::job(text)), Arc::new(plan))
            .await
            .unwrap();
        let summary = RunSummary::of(&result.folder).unwrap();
        assert_eq!(summary.status, result.status, "journal and result agree");
        result
    }

    async fn reasons(&self, plan: Plan, text: &str) -> Vec<String> {
        let decisions = self
            .runner
            .explain(&Arc::new(test_support::job(text)), &Arc::new(plan))
            .await;
        decisions
            .iter()
            .map(|d| format!("{}: {}", d.node, d.reasons.join("; ")))
            .collect()
    }
}

const ALL_NODES: [&str; 8] = [
    "report.executive",
    "report.technical",
    "source.metrics",
    "source.tickets",
    "stage.daily",
    "stage.load",
    "stage.rhythm",
    "stage.unusual",
];

#[tokio::test]
async fn a_second_run_executes_nothing_and_has_the_same_reports() {
    let setup = Setup::new([]);
    let first = setup.run(test_support::JOB).await;
    assert_eq!(first.status, RunStatus::Complete);
    assert_eq!(setup.executor.take_executed(), ALL_NODES);
    let second = setup.run(test_support::JOB).await;
    assert_eq!(second.status, RunStatus::Complete);
    assert_eq!(setup.executor.take_executed(), [""; 0]);
    assert_eq!((second.executed.len(), second.reused.len()), (0, 8));
    assert_eq!(second.outcomes, first.outcomes);
    assert_eq!(second.run, format!("{}-2", first.run));
    assert_eq!(first.run.len(), 8);
    for name in [
        "technical.pdf",
        "cells/rhythm.json",
        "cells/tickets.json",
        "findings.json",
    ] {
        let text = fs::read(first.folder.join(name)).unwrap();
        assert_eq!(text, fs::read(second.folder.join(name)).unwrap(), "{name}");
    }
    let runs = test_support::runs(&setup.folder.join("reports"));
    let parents: Vec<_> = runs.iter().map(|(_, run)| run.parent.clone()).collect();
    assert_eq!(parents, [Some(first.run.clone()), None]);
    assert_eq!(
        (runs[0].1.job.as_str(), runs[0].1.window.as_str()),
        ("review", "2026-W46")
    );
}

#[tokio::test]
async fn changed_nodes_and_their_dependents_run_again() {
    let setup = Setup::new([]);
    assert_eq!(
        setup
            .reasons(test_support::plan(test_support::JOB), test_support::JOB)
            .await,
        [
            "source.tickets: new",
            "source.metrics: new",
            "stage.rhythm: new",
            "stage.daily: new",
            "stage.unusual: new",
            "stage.load: new",
            "report.executive: new",
            "report.technical: new"
        ]
    );
    setup.run(test_support::JOB).await;
    setup.executor.take_executed();

    let set = [("least".to_string(), "4".to_string())];
    let plan = test_support::plan_with(test_support::JOB, &set, &[]).unwrap();
    assert_eq!(
        setup.reasons(plan.clone(), test_support::JOB).await[2..6],
        [
            "stage.rhythm: unchanged, reuse",
            "stage.daily: config changed: query \"select * from tickets where n > 3\" → \
             \"select * from tickets where n > 4\"",
            "stage.unusual: input daily changed",
            "stage.load: unchanged, reuse",
        ]
    );
    setup.run_plan(test_support::JOB, plan).await;
    let expected = [
        "report.executive",
        "report.technical",
        "stage.daily",
        "stage.unusual",
    ];
    assert_eq!(setup.executor.take_executed(), expected);

    setup
        .executor
        .records
        .lock()
        .unwrap()
        .insert("source.metrics".into(), "more".into());
    assert_eq!(
        setup
            .reasons(test_support::plan(test_support::JOB), test_support::JOB)
            .await[1],
        "source.metrics: records changed"
    );
    setup.run(test_support::JOB).await;
    // The executive report reads every source, to report accepted and refused records.
    let expected = [
        "report.executive",
        "report.technical",
        "source.metrics",
        "stage.load",
    ];
    assert_eq!(setup.executor.take_executed(), expected);
}

#[tokio::test]
async fn another_window_runs_the_stages_on_the_same_records() {
    let setup = Setup::new([]);
    setup.run(test_support::JOB).await;
    setup.executor.take_executed();
    let mut plan = test_support::plan(test_support::JOB);
    plan.window = plan.window.previous();
    plan.label = plan.window.label();
    let reasons = setup.reasons(plan.clone(), test_support::JOB).await;
    assert_eq!(
        reasons[2],
        "stage.rhythm: config changed: window 2026-W46 → 2026-W45"
    );
    let result = setup.run_plan(test_support::JOB, plan).await;
    assert!(
        result
            .folder
            .ends_with(format!("review/2026-W45/{}", result.run))
    );
    assert_eq!(result.reused, ["source.tickets", "source.metrics"]);
}

#[tokio::test]
async fn nodes_run_again_if_data_is_missing_or_if_forced() {
    let setup = Setup::new([]);
    setup.run(test_support::JOB).await;
    setup.executor.take_executed();
    let deleted = || setup.executor.deleted.lock().unwrap();
    deleted().insert("stage.load".to_string());
    let reasons = setup
        .reasons(test_support::plan(test_support::JOB), test_support::JOB)
        .await;
    assert_eq!(reasons[5], "stage.load: its data is missing");
    assert_eq!(reasons[7], "report.technical: input load changed");
    setup.run(test_support::JOB).await;
    assert_eq!(
        setup.executor.take_executed(),
        ["report.technical", "stage.load"]
    );
    deleted().clear();

    let outcomes = setup.folder.join("lake/outcomes");
    let last = setup.runner.store.last("review");
    let daily = last.get("stage.daily").unwrap();
    fs::remove_file(outcomes.join(format!("{daily}.json"))).unwrap();
    let reasons = setup
        .reasons(test_support::plan(test_support::JOB), test_support::JOB)
        .await;
    assert_eq!(reasons[3], "stage.daily: its cached outcome is missing");
    assert_eq!(reasons[4], "stage.unusual: input daily changed");

    let mut options = setup.runner.options.clone();
    options.force = Force::Everything;
    let executor = setup.executor.clone();
    let runner = Runner::new(executor, setup.clock.clone(), Arc::new(NoProgress), options);
    let (job, plan) = (
        test_support::job(test_support::JOB),
        test_support::plan(test_support::JOB),
    );
    runner.run(Arc::new(job), Arc::new(plan)).await.unwrap();
    assert_eq!(setup.executor.take_executed(), ALL_NODES);
}

#[tokio::test]
async fn independent_nodes_run_concurrently() {
    let barrier = Arc::new(tokio::sync::Barrier::new(3));
    let wait_for_others = || Action::WaitForOthers(barrier.clone());
    let actions = [
        ("stage.rhythm", wait_for_others()),
        ("stage.daily", wait_for_others()),
        ("stage.load", wait_for_others()),
    ];
    assert_eq!(
        Setup::new(actions).run(test_support::JOB).await.status,
        RunStatus::Complete
    );
}

#[tokio::test]
async fn one_thread_gives_the_same_files() {
    let (one, many) = (Setup::new([]), Setup::new([]));
    let mut options = one.runner.options.clone();
    options.threads = 1;
    let single = Runner::new(
        one.executor.clone(),
        one.clock.clone(),
        Arc::new(NoProgress),
        options,
    );
    let single = single
        .run(
            Arc::new(test_support::job(test_support::JOB)),
            Arc::new(test_support::plan(test_support::JOB)),
        )
        .await
        .unwrap();
    let many = many.run(test_support::JOB).await;
    let sums = |result: &RunResult| fs::read_to_string(result.folder.join("checksums.b3")).unwrap();
    assert_eq!(sums(&single), sums(&many));
    assert_eq!(
        sums(&many).lines().count(),
        11,
        "plan, job file, findings, 6 cells, 2 reports"
    );
}

#[tokio::test]
async fn an_optional_failure_leaves_a_cell_and_a_partial_run() {
    let failure = Failure::data("no column `n`").hint("see the contract");
    let setup = Setup::new([("stage.unusual", Action::Fail(9, failure))]);
    let result = setup.run(test_support::JOB).await;
    assert_eq!(result.status, RunStatus::Partial);
    assert_eq!(result.failed.len(), 1);
    let input = setup.executor.inputs.lock().unwrap()["report.technical"]["unusual"].clone();
    let message = "no column `n`; see the contract".to_string();
    assert_eq!(input.cell.status, CellStatus::Failed { message });
    let cell = fs::read(result.folder.join("cells/unusual.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Cell>(&cell).unwrap(), input.cell);
    // The failure is not cached: the node is retried, and the reports are unchanged.
    setup.executor.take_executed();
    assert_eq!(
        setup.run(test_support::JOB).await.status,
        RunStatus::Partial
    );
    assert_eq!(setup.executor.take_executed(), ["stage.unusual"]);
}

#[tokio::test]
async fn dependents_of_a_failed_optional_node_are_skipped() {
    let text = test_support::JOB
        .replace("query =", "optional = true\nquery =")
        .replace(
            "[stage.unusual]\nkind = \"count\"\ninput = \"daily\"\noptional = true",
            "[stage.unusual]\nkind = \"count\"\ninput = \"daily\"",
        );
    let setup = Setup::new([("stage.daily", Action::Fail(9, Failure::data("no")))]);
    let result = setup.run(&text).await;
    assert_eq!(result.status, RunStatus::Partial);
    assert_eq!(
        result.skipped,
        [(
            "stage.unusual".to_string(),
            "stage.daily failed".to_string()
        )]
    );
    assert_eq!(result.executed.len(), 6);
}

#[tokio::test]
async fn a_failure_skips_only_dependents() {
    let setup = Setup::new([("stage.rhythm", Action::Fail(9, Failure::data("no")))]);
    let result = setup.run(test_support::JOB).await;
    assert_eq!(result.status, RunStatus::Failed);
    assert_eq!(
        result.executed,
        [
            "source.tickets",
            "source.metrics",
            "stage.daily",
            "stage.unusual",
            "stage.load"
        ]
    );
    let skipped: Vec<_> = result
        .skipped
        .iter()
        .map(|(name, why)| format!("{name}: {why}"))
        .collect();
    assert_eq!(
        skipped,
        [
            "report.executive: stage.rhythm failed",
            "report.technical: stage.rhythm failed"
        ]
    );
}

#[tokio::test]
async fn a_panic_is_a_failure_that_names_the_node() {
    let result = Setup::new([("stage.rhythm", Action::Panic)])
        .run(test_support::JOB)
        .await;
    assert_eq!(result.status, RunStatus::Failed);
    assert_eq!(result.failed[0].0, "stage.rhythm");
    assert_eq!(result.failed[0].1.kind, FailureKind::Bug);
    assert_eq!(result.failed[0].1.message, "internal error: scripted panic");
}

#[tokio::test]
async fn transient_failures_are_retried_with_back_off() {
    let setup = Setup::new([("stage.rhythm", Action::Fail(2, Failure::transient("busy")))]);
    let result = setup.run(test_support::JOB).await;
    assert_eq!(result.status, RunStatus::Complete);
    assert_eq!(
        setup
            .executor
            .take_executed()
            .iter()
            .filter(|n| *n == "stage.rhythm")
            .count(),
        3
    );
    let slept: Vec<u128> = setup
        .clock
        .slept
        .lock()
        .unwrap()
        .iter()
        .map(Duration::as_millis)
        .collect();
    assert_eq!(slept.len(), 2);
    assert!(
        (250..=500).contains(&slept[0]) && (500..=1000).contains(&slept[1]),
        "{slept:?}"
    );
    let retried = Journal::read(&result.folder).unwrap();
    let retried = retried
        .iter()
        .filter(|event| event.event == EventKind::NodeRetried)
        .count();
    assert_eq!(retried, 2);

    for (times, failure, attempts) in [
        (9, Failure::transient("busy"), 3),
        (9, Failure::data("bad"), 1),
    ] {
        let setup = Setup::new([("stage.rhythm", Action::Fail(times, failure))]);
        assert_eq!(setup.run(test_support::JOB).await.status, RunStatus::Failed);
        let ran = setup.executor.take_executed();
        assert_eq!(
            ran.iter().filter(|name| *name == "stage.rhythm").count(),
            attempts
        );
    }
}

#[tokio::test]
async fn a_node_that_exceeds_its_timeout_fails() {
    let text = test_support::JOB.replace(
        "[stage.rhythm]",
        "[stage.rhythm]\ntimeout = \"90 s\"\nretries = 0\noptional = true",
    );
    let setup = Setup::new([("stage.rhythm", Action::Hang)]);
    let result = setup.run(&text).await;
    assert_eq!(result.status, RunStatus::Partial);
    assert_eq!(
        result.failed[0].1.to_string(),
        "took longer than 90 s; raise its `timeout` in the job file"
    );
}

#[tokio::test]
async fn a_timed_out_node_can_release_its_resources() {
    let text = test_support::JOB.replace(
        "[stage.rhythm]",
        "[stage.rhythm]\ntimeout = \"90 s\"\nretries = 0\noptional = true",
    );
    let stopped = Arc::new(AtomicBool::new(false));
    let result = Setup::new([("stage.rhythm", Action::AwaitCancel(stopped.clone()))])
        .run(&text)
        .await;
    assert!(stopped.load(Ordering::Relaxed));
    let message = &result.failed[0].1.message;
    assert!(message.starts_with("took longer than"), "{message}");
}

#[tokio::test]
async fn an_up_to_date_run_is_found_until_something_changes() {
    let setup = Setup::new([]);
    let (job, plan) = (
        Arc::new(test_support::job(test_support::JOB)),
        Arc::new(test_support::plan(test_support::JOB)),
    );
    assert_eq!(setup.runner.up_to_date(&job, &plan).await, None);
    let first = setup.run(test_support::JOB).await;
    let requests = || setup.executor.identity_requests.load(Ordering::Relaxed);
    let before = requests();
    let (_, summary) = setup.runner.up_to_date(&job, &plan).await.unwrap();
    assert_eq!((summary.run, summary.status), (first.run, first.status));
    assert_eq!(requests() - before, 2, "one request per source");
    let rerun = setup.run(test_support::JOB).await;
    let (_, summary) = setup.runner.up_to_date(&job, &plan).await.unwrap();
    assert_eq!(summary.run, rerun.run);
    assert_eq!(
        summary.run,
        format!("{}-2", summary.run.trim_end_matches("-2"))
    );

    let mut other = (*plan).clone();
    other.window = plan.window.previous();
    other.label = other.window.label();
    assert_eq!(setup.runner.up_to_date(&job, &Arc::new(other)).await, None);
    let records = ("source.tickets".to_string(), "others".to_string());
    setup.executor.records.lock().unwrap().extend([records]);
    assert_eq!(setup.runner.up_to_date(&job, &plan).await, None);
    let failed = Setup::new([("stage.rhythm", Action::Panic)]);
    failed.run(test_support::JOB).await;
    assert_eq!(failed.runner.up_to_date(&job, &plan).await, None);
}

#[tokio::test]
async fn nodes_share_a_retry_budget() {
    let fail = || Action::Fail(99, Failure::transient("storage is down"));
    let mut setup = Setup::new([
        ("source.tickets", fail()),
        ("source.metrics", fail()),
        ("stage.rhythm", fail()),
    ]);
    setup.runner.options.retry_budget = 3;
    setup.runner.options.retries = 2;
    let result = setup.run(test_support::JOB).await;
    assert_eq!(result.status, RunStatus::Failed);
    // Two first tries and three retries.
    assert_eq!(setup.executor.take_executed().len(), 5);
    let out_of_retries = result.failed.iter().filter(|(_, failure)| {
        failure.message == "storage is down; the run has used up its 3 retries"
    });
    assert_eq!(out_of_retries.count(), 1);
}

#[tokio::test]
async fn outcomes_of_a_cancelled_run_are_reused() {
    let cancel = CancellationToken::new();
    let actions = [
        ("stage.daily", Action::Cancel(cancel.clone())),
        ("stage.load", Action::Hang),
    ];
    let setup = Setup::with(actions, cancel);
    let result = setup.run(test_support::JOB).await;
    assert_eq!(result.status, RunStatus::Cancelled);
    let executed = [
        "source.tickets",
        "source.metrics",
        "stage.rhythm",
        "stage.daily",
    ];
    assert_eq!(result.executed, executed);
    assert_eq!(
        result.failed,
        [("stage.load".to_string(), Failure::cancelled())]
    );
    setup.executor.take_executed();

    let mut options = setup.runner.options.clone();
    options.cancel = CancellationToken::new();
    let executor = Arc::new(ScriptedExecutor::default());
    let runner = Runner::new(
        executor.clone(),
        setup.clock.clone(),
        Arc::new(NoProgress),
        options,
    );
    let rerun = runner
        .run(
            Arc::new(test_support::job(test_support::JOB)),
            Arc::new(test_support::plan(test_support::JOB)),
        )
        .await
        .unwrap();
    assert_eq!(rerun.status, RunStatus::Complete);
    assert_eq!(rerun.reused, executed);
}

#[tokio::test]
async fn the_journal_records_every_event() {
    let setup = Setup::new([]);
    let plan = test_support::plan_with(test_support::JOB, &[], &["rhythm".to_string()]).unwrap();
    let first = setup.run_plan(test_support::JOB, plan.clone()).await;
    let second = setup.run_plan(test_support::JOB, plan).await;
    let lines = |result: &RunResult| -> Vec<String> {
        let events = Journal::read(&result.folder).unwrap();
        let line = |event: &Event| {
            let kind = serde_json::to_value(event.event).unwrap();
            let rows = event
                .rows
                .map(|rows| format!(" {rows} rows"))
                .unwrap_or_default();
            let message = event
                .message
                .as_deref()
                .map(|m| format!(": {m}"))
                .unwrap_or_default();
            let node = event.node.as_deref().unwrap_or("-");
            format!("{} {node}{rows}{message}", kind.as_str().unwrap())
        };
        events.iter().map(line).collect()
    };
    assert_eq!(
        lines(&first),
        [
            format!("run_started {}: lease 1", first.run),
            "node_started source.tickets: new".to_string(),
            "node_finished source.tickets 7 rows".to_string(),
            "node_started stage.rhythm: new".to_string(),
            "node_finished stage.rhythm 7 rows".to_string(),
            "run_finished -".to_string(),
        ]
    );
    assert_eq!(
        lines(&second)[1..3],
        [
            "node_reused source.tickets 7 rows: unchanged, reuse",
            "node_reused stage.rhythm 7 rows: unchanged, reuse"
        ]
    );
    let plan = fs::read_to_string(second.folder.join(PLAN)).unwrap();
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["parent"], first.run);
    assert_eq!(plan["nodes"][1]["inputs"][0], "source.tickets");
}

#[tokio::test]
async fn windows_begin_at_local_midnight() {
    let setup = Setup::new([]);
    let job = test_support::job(test_support::JOB);
    let mut plan = test_support::plan(test_support::JOB);
    plan.window = job.window_for("2026-10-27".parse().unwrap(), None).unwrap();
    let ctx = setup
        .runner
        .context(&Arc::new(job.clone()), &Arc::new(plan));
    assert_eq!(
        ctx.window.start_instant().to_string(),
        "2026-10-18T23:00:00Z"
    );
    assert_eq!(ctx.window.end_instant().to_string(), "2026-10-26T00:00:00Z");
    assert_eq!(ctx.timezone, "Europe/London");
    assert_eq!(
        job.window_for(ctx.date, Some("2026-W13")).unwrap().label(),
        "2026-W13"
    );
    for text in [
        "lately",
        "",
        "9999-12",
        "9999-W52",
        "-0001-01",
        "2026-02-30",
        "2026-13",
    ] {
        assert!(job.window_for(ctx.date, Some(text)).is_err(), "{text}");
    }
    assert!(
        job.window_for("-009999-01-01".parse().unwrap(), None)
            .is_err()
    );
}

#[tokio::test]
async fn a_job_with_a_thousand_nodes_completes() {
    use std::fmt::Write as _;
    let mut text = "title = \"Many\"\nwindow = \"week\"\n[source.tickets]\nuri = \"x\"\n\
                    contract = \"ticket\"\n[report.technical]\n"
        .to_string();
    for i in 0..1000 {
        let input = if i < 10 {
            "tickets".to_string()
        } else {
            format!("s{}", i - 10)
        };
        let _ = write!(
            text,
            "[stage.s{i}]\nkind = \"count\"\ninput = \"{input}\"\n"
        );
    }
    let setup = Setup::new([]);
    let start = std::time::Instant::now();
    let (job, plan) = (
        Arc::new(test_support::job(&text)),
        Arc::new(test_support::plan(&text)),
    );
    eprintln!(
        "1,000 stages: checked twice and planned in {:?}",
        start.elapsed()
    );
    for phase in ["first run", "unchanged rerun"] {
        let start = std::time::Instant::now();
        let result = setup.runner.run(job.clone(), plan.clone()).await.unwrap();
        eprintln!("1,000 stages: {phase} in {:?}", start.elapsed());
        assert_eq!(result.status, RunStatus::Complete);
    }
}
