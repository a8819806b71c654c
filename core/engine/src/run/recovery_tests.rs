//! Runs whose process died, and concurrent runs of the same job.

use super::*;
use crate::{
    executor::Quiet,
    test_support::{self, Folder, Order, TrialClock, TrialExecutor},
};
use retrocast_run::Event;

fn runner(folder: &Path, executor: &Arc<TrialExecutor>) -> Runner {
    let mut options = RunOptions::new(folder.join("lake"), folder.join("reports"), "0.1.0");
    options.threads = 2;
    let clock = Arc::new(TrialClock::default());
    Runner::new(executor.clone(), clock, Arc::new(Quiet), options)
}

async fn run_in(folder: &Path, executor: &Arc<TrialExecutor>) -> Result<RunResult, EngineError> {
    let (job, plan) = (
        test_support::job(test_support::JOB),
        test_support::plan(test_support::JOB),
    );
    runner(folder, executor)
        .run(Arc::new(job), Arc::new(plan))
        .await
}

/// Starts a run, lets it proceed until nothing moves, and drops it with all its locks.
async fn die(folder: &Path, hanging: &'static str) {
    let executor = Arc::new(TrialExecutor::new([(hanging, Order::Hang)]));
    let run = run_in(folder, &executor);
    let died = tokio::time::timeout(Duration::from_millis(100), run).await;
    assert!(died.is_err(), "{hanging} hangs");
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
async fn a_run_whose_process_died_is_gone_on_with() {
    let undisturbed = Folder::new();
    let expected = run_in(&undisturbed, &Arc::default()).await.unwrap();
    for hanging in ["source.metrics", "stage.daily", "report.technical"] {
        let folder = Folder::new();
        die(&folder, hanging).await;
        let runs = test_support::runs(&folder.join("reports"));
        assert_eq!(runs[0].1.status, RunStatus::Interrupted);
        fs::write(runs[0].0.join(".report.json.part-1-1"), "half").unwrap();
        fs::write(runs[0].0.join("alert.sent"), "told").unwrap();

        let executor = Arc::new(TrialExecutor::default());
        let result = run_in(&folder, &executor).await.unwrap();
        assert_eq!(
            (&result.run, result.status),
            (&expected.run, RunStatus::Complete)
        );
        assert_eq!(sums(&result), sums(&expected), "after {hanging}");
        let marker = fs::read_to_string(result.folder.join("alert.sent")).unwrap();
        assert_eq!(marker, "told", "and no alert is sent again");
        let events = Journal::read(&result.folder).unwrap();
        let mut all: Vec<_> = expected.executed.clone();
        all.sort();
        assert_eq!(finished(&events), all, "each node did its work once");
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
async fn a_journal_cut_off_anywhere_is_gone_on_with() {
    let undisturbed = Folder::new();
    let expected = run_in(&undisturbed, &Arc::default()).await.unwrap();
    let folder = Folder::new();
    let result = run_in(&folder, &Arc::default()).await.unwrap();
    let path = result.folder.join(JOURNAL);
    let whole = fs::read(&path).unwrap();
    let ends: Vec<usize> = (0..whole.len())
        .filter(|at| whole[*at] == b'\n')
        .map(|at| at + 1)
        .collect();
    let first = ends[ends.len() - 4];
    assert!(
        whole.len() - first > 100,
        "three records are cut at {first}"
    );
    for cut in first..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let executor = Arc::new(TrialExecutor::default());
        let again = run_in(&folder, &executor).await.unwrap();
        assert_eq!(executor.take_done(), [""; 0], "cut at {cut}");
        assert_eq!(again.folder, result.folder, "cut at {cut}");
        assert_eq!(sums(&again), sums(&expected), "cut at {cut}");
        let text = fs::read_to_string(&path).unwrap();
        let torn = text
            .lines()
            .find(|line| serde_json::from_str::<Event>(line).is_err());
        assert_eq!(torn, None, "cut at {cut}");
    }
}

#[tokio::test]
async fn a_second_run_of_the_same_learns_who_holds_the_lease() {
    let folder = Folder::new();
    let executor = Arc::new(TrialExecutor::new([("stage.rhythm", Order::Hang)]));
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
    let start = "review is being run for 2026-W46 already by run ";
    assert!(
        text.starts_with(start) && text.contains("process "),
        "{text}"
    );
}

#[tokio::test]
async fn a_run_whose_lease_was_swept_away_commits_nothing_more() {
    let folder = Folder::new();
    let token = CancellationToken::new();
    let executor = Arc::new(TrialExecutor::new([("stage.daily", Order::Cancel(token))]));
    let place = Lease::of_window(&folder.join("lake").into(), "review", "2026-W46");
    executor
        .sweep
        .lock()
        .unwrap()
        .insert("stage.daily".to_string(), place.path().to_path_buf());
    let error = run_in(&folder, &executor).await.unwrap_err();
    assert!(
        matches!(&error, EngineError::Lost { place: lost_place } if *lost_place == place.to_string()),
        "{error}"
    );
}
