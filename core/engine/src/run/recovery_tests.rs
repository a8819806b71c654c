//! Tests of interrupted runs, and of concurrent runs of the same job.

use super::*;
use crate::{
    executor::NoProgress,
    test_support::{self, Action, Folder, ScriptedExecutor, TestClock},
};
use retrocast_run::Event;

fn runner(folder: &Path, executor: &Arc<ScriptedExecutor>) -> Runner {
    let mut options = RunOptions::new(folder.join("lake"), folder.join("reports"), "0.1.0");
    options.threads = 2;
    let clock = Arc::new(TestClock::default());
    Runner::new(executor.clone(), clock, Arc::new(NoProgress), options)
}

async fn run_in(folder: &Path, executor: &Arc<ScriptedExecutor>) -> Result<RunResult, EngineError> {
    let (job, plan) = (
        test_support::job(test_support::JOB),
        test_support::plan(test_support::JOB),
    );
    runner(folder, executor)
        .run(Arc::new(job), Arc::new(plan))
        .await
}

/// Starts a run, lets it proceed until `hanging` blocks it, and drops it with all its locks.
async fn interrupt(folder: &Path, hanging: &'static str) {
    let executor = Arc::new(ScriptedExecutor::new([(hanging, Action::Hang)]));
    let run = run_in(folder, &executor);
    let result = tokio::time::timeout(Duration::from_millis(100), run).await;
    assert!(result.is_err(), "{hanging} hangs");
    // Abandoned tasks release their files when they are next polled.
    tokio::time::sleep(Duration::from_millis(20)).await;
}

fn sums(result: &RunResult) -> String {
    fs::read_to_string(result.folder.join("checksums.b3")).unwrap()
}

fn finished(events: &[Event]) -> Vec<String> {
    let finished = events
        .iter()
        .filter(|event| event.event == EventKind::NodeFinished);
    let mut names: Vec<_> = finished.filter_map(|event| event.node.clone()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn an_interrupted_run_is_resumed() {
    let undisturbed = Folder::new();
    let expected = run_in(&undisturbed, &Arc::default()).await.unwrap();
    for hanging in ["source.metrics", "stage.daily", "report.technical"] {
        let folder = Folder::new();
        interrupt(&folder, hanging).await;
        let runs = test_support::runs(&folder.join("reports"));
        assert_eq!(runs[0].1.status, RunStatus::Interrupted);
        fs::write(runs[0].0.join(".report.json.part-1-1"), "half").unwrap();
        fs::write(runs[0].0.join("alert.sent"), "sent").unwrap();

        let executor = Arc::new(ScriptedExecutor::default());
        let result = run_in(&folder, &executor).await.unwrap();
        assert_eq!(
            (&result.run, result.status),
            (&expected.run, RunStatus::Complete)
        );
        assert_eq!(sums(&result), sums(&expected), "after {hanging}");
        let marker = fs::read_to_string(result.folder.join("alert.sent")).unwrap();
        assert_eq!(marker, "sent", "no alert is sent again");
        let events = Journal::read(&result.folder).unwrap();
        let mut nodes: Vec<_> = expected.executed.clone();
        nodes.sort();
        assert_eq!(finished(&events), nodes, "each node was executed once");
        let resumed = events
            .iter()
            .filter(|event| event.event == EventKind::RunResumed);
        assert_eq!(resumed.count(), 1);
        assert_eq!(
            test_support::runs(&folder.join("reports")).len(),
            1,
            "one folder"
        );
    }
}

#[tokio::test]
async fn a_run_with_a_truncated_journal_is_resumed() {
    let undisturbed = Folder::new();
    let expected = run_in(&undisturbed, &Arc::default()).await.unwrap();
    let folder = Folder::new();
    let result = run_in(&folder, &Arc::default()).await.unwrap();
    let path = result.folder.join(JOURNAL);
    let whole = fs::read(&path).unwrap();
    let line_ends: Vec<usize> = (0..whole.len())
        .filter(|index| whole[*index] == b'\n')
        .map(|index| index + 1)
        .collect();
    // The last three lines are truncated at every byte.
    let first = line_ends[line_ends.len() - 4];
    assert!(whole.len() - first > 100, "{first}");
    for cut in first..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let executor = Arc::new(ScriptedExecutor::default());
        let rerun = run_in(&folder, &executor).await.unwrap();
        assert_eq!(executor.take_executed(), [""; 0], "cut at {cut}");
        assert_eq!(rerun.folder, result.folder, "cut at {cut}");
        assert_eq!(sums(&rerun), sums(&expected), "cut at {cut}");
        let text = fs::read_to_string(&path).unwrap();
        let truncated = text
            .lines()
            .find(|line| serde_json::from_str::<Event>(line).is_err());
        assert_eq!(truncated, None, "cut at {cut}");
    }
}

#[tokio::test]
async fn a_concurrent_run_reports_the_holder_of_the_lease() {
    let folder = Folder::new();
    let executor = Arc::new(ScriptedExecutor::new([("stage.rhythm", Action::Hang)]));
    let first = run_in(&folder, &executor);
    tokio::pin!(first);
    let second = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        run_in(&folder, &Arc::default()).await
    };
    let error = tokio::select! {
        _ = &mut first => panic!("it hangs"),
        result = second => result.unwrap_err(),
    };
    let text = error.to_string();
    let start = "review is already running for 2026-W46 by run ";
    assert!(
        text.starts_with(start) && text.contains("process "),
        "{text}"
    );
}

#[tokio::test]
async fn a_run_that_lost_its_lease_commits_nothing() {
    let folder = Folder::new();
    let token = CancellationToken::new();
    let executor = Arc::new(ScriptedExecutor::new([(
        "stage.daily",
        Action::Cancel(token),
    )]));
    let lease_path = Lease::of_window(&folder.join("lake").into(), "review", "2026-W46");
    executor
        .delete_files
        .lock()
        .unwrap()
        .insert("stage.daily".to_string(), lease_path.path().to_path_buf());
    let error = run_in(&folder, &executor).await.unwrap_err();
    assert!(
        matches!(&error, EngineError::Lost { lease } if *lease == lease_path.to_string()),
        "{error}"
    );
}
