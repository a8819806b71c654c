//! The results of a run as a small script, `run.js` in the run's folder.
//!
//! Pages that show many runs read it instead of the cells, and the comparison in the browser loads
//! it from disk as a classic script. It is kept when the other files of a run are removed, so the
//! history of figures and findings has no gaps.

use crate::{Error, diff::config::job_config, words::clean, write_atomically};
use retrocast_domain::{
    ClosedImprovement, Direction, Effect, Finding, Kpi, Magnitude, Severity, Verdict, canonical,
};
use retrocast_run::{
    Node, NodeState, RunFolder,
    files::{RESULTS, SUMMARY},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

/// Text before the JSON of a results script.
const PREFIX: &str = "retrocast.results(";
/// Text after it.
const SUFFIX: &str = ");\n";
/// Maximum length of sentences and messages.
const SENTENCE_MAX: usize = 600;
/// Maximum length of names.
const NAME_MAX: usize = 160;

/// The results of a run, and the setup that a comparison shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Digest {
    /// Hash of the summary that it belongs to.
    pub key: String,
    pub job: String,
    pub run: String,
    pub title: String,
    pub owner: String,
    pub window: String,
    pub period: String,
    pub date: String,
    pub status: String,
    pub build: String,
    /// Hash of the job file.
    pub job_file: String,
    /// First and last instant of the window.
    pub instants: [String; 2],
    pub compare: Value,
    pub timezone: String,
    pub seed: u64,
    pub params: BTreeMap<String, Value>,
    /// Nodes in the order of the plan.
    pub nodes: Vec<NodeDigest>,
    /// Identity of the records of each source.
    pub records: BTreeMap<String, String>,
    pub figures: Vec<FigureDigest>,
    pub findings: Vec<FindingDigest>,
    pub effects: Vec<EffectDigest>,
    /// Improvements closed before the date of the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<ClosedDigest>,
    /// Files that could not be read, one sentence each.
    pub unreadable: Vec<String>,
}

/// A node with its setup and state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct NodeDigest {
    pub name: String,
    pub kind: String,
    pub title: String,
    /// The title in the job file; empty for none.
    pub own_title: String,
    pub code: u32,
    pub optional: bool,
    pub inputs: Vec<String>,
    pub contract_hash: String,
    pub config: Value,
    /// "done", "not enough", "failed", "not run" or "not reached".
    pub state: String,
    pub message: String,
    /// The method of the stage, as its findings name it.
    pub method: String,
}

/// A key figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FigureDigest {
    /// Full name of its node.
    pub node: String,
    pub name: String,
    /// Subject: "all", or a group.
    pub subject: String,
    pub unit: String,
    pub value: Option<f64>,
    pub interval: Option<[f64; 2]>,
    pub text: String,
    pub interval_text: String,
    pub previous: Option<f64>,
    /// True if the change from the previous value was tested.
    pub tested: bool,
    pub significant: bool,
    pub lower_is_better: bool,
    pub target: Option<f64>,
    pub target_text: String,
    pub on_target: Option<bool>,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FindingDigest {
    pub id: String,
    /// Full name of its node.
    pub node: String,
    pub kind: String,
    pub what: String,
    pub subject: String,
    pub severity: Severity,
    pub direction: Direction,
    pub sentence: String,
    pub size: Option<Magnitude>,
    pub method: String,
    /// The improvement that it is about; empty for none.
    pub improvement: String,
}

/// A closed improvement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ClosedDigest {
    pub improvement: String,
    /// The person who closed it, the date and the reason.
    pub sentence: String,
}

/// The measured effect of an improvement on a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EffectDigest {
    /// Full name of its node.
    pub node: String,
    pub improvement: String,
    pub title: String,
    pub category: String,
    pub date: String,
    pub metric: String,
    pub verdict: Verdict,
    pub verdict_word: String,
    /// Relative effect: estimate, lower and upper bound.
    pub relative: [f64; 3],
    /// The effect formatted; empty while it is too early.
    pub text: String,
    pub interval_text: String,
    /// The finding's sentence or, if there is none, the title.
    pub sentence: String,
}

/// Hash of the bytes of a run's summary.
pub(crate) fn summary_key(folder: &Path) -> std::io::Result<String> {
    let bytes = std::fs::read(folder.join(SUMMARY))?;
    Ok(blake3::hash(&bytes).to_hex()[..16].to_string())
}

impl Digest {
    /// Reads the results of a run with this summary key from its script or, if that is outdated,
    /// from its folder, and writes the script again. `None` if the folder has neither a script nor
    /// a readable plan.
    pub(crate) fn of(folder: &Path, key: &str, is_removed: bool) -> Result<Option<Self>, Error> {
        let stored = Self::read(folder);
        if stored
            .as_ref()
            .is_some_and(|digest| digest.key == key || is_removed)
        {
            return Ok(stored);
        }
        let digest = Self::from_results(folder, key);
        if let Some(digest) = &digest {
            digest.write(folder)?;
        }
        Ok(digest)
    }

    /// Reads the results from the other files of a run's folder; `None` without a readable plan.
    pub(crate) fn from_results(folder: &Path, key: &str) -> Option<Self> {
        let run = RunFolder::read(folder).ok()?;
        Some(Self::new(&run, key))
    }

    /// Reads the script of a run's folder; `None` if it is missing or of another version.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(folder.join(RESULTS)).ok()?;
        let json = text.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
        serde_json::from_str(json).ok()
    }

    pub(crate) fn write(&self, folder: &Path) -> Result<(), Error> {
        let json = serde_json::to_string(self).unwrap_or_default();
        write_atomically(&folder.join(RESULTS), &format!("{PREFIX}{json}{SUFFIX}"))
    }

    fn new(run: &RunFolder, key: &str) -> Self {
        let plan = &run.plan;
        let cells = || run.in_order();
        let mut effects = Vec::new();
        for (node, cell) in cells() {
            effects.extend(cell.effects.iter().map(|effect| {
                let sentence = cell
                    .findings
                    .iter()
                    .find(|finding| improvement_id(finding) == Some(effect.improvement.as_str()));
                let sentence = sentence.map_or(&effect.title, |finding| &finding.sentence);
                effect_digest(node, effect, sentence)
            }));
        }
        Self {
            key: key.to_string(),
            job: clean(&plan.job, NAME_MAX),
            run: clean(&run.origin.run, NAME_MAX),
            title: clean(&plan.title, NAME_MAX),
            owner: clean(&plan.owner, NAME_MAX),
            window: clean(&plan.label, NAME_MAX),
            period: plan.window.words(),
            date: plan.date.to_string(),
            status: run.status.word().to_string(),
            build: clean(&run.origin.build, NAME_MAX),
            job_file: canonical::hash(&run.job_file)[..16].to_string(),
            instants: [plan.window.start_instant(), plan.window.end_instant()]
                .map(|time| time.to_string()),
            compare: serde_json::json!(plan.compare),
            timezone: plan.window.timezone.clone(),
            seed: plan.seed,
            params: plan.params.clone(),
            nodes: plan
                .nodes
                .iter()
                .map(|node| node_digest(run, node))
                .collect(),
            records: (run.origin.records.iter())
                .map(|(node, records)| (node.clone(), records.to_string()))
                .collect(),
            figures: cells()
                .flat_map(|(node, cell)| cell.kpis.iter().map(move |kpi| figure_digest(node, kpi)))
                .collect(),
            findings: run
                .findings()
                .map(|(node, finding)| finding_digest(node, finding))
                .collect(),
            effects,
            closed: plan.closed.iter().map(closed_digest).collect(),
            unreadable: unreadable(run),
        }
    }
}

/// Messages on unreadable files, without the location of the archive, which may be moved.
fn unreadable(run: &RunFolder) -> Vec<String> {
    let folder = format!("{}/", run.folder.display());
    let texts = run.unreadable.iter();
    texts
        .map(|text| clean(&text.replace(&folder, ""), 300))
        .collect()
}

fn node_digest(run: &RunFolder, node: &Node) -> NodeDigest {
    let (state, message) = match run.state(&node.name) {
        _ if node.is_report() => ("done", String::new()),
        NodeState::Done => ("done", String::new()),
        NodeState::NotEnough(message) => ("not enough", message),
        NodeState::Failed(message) => ("failed", message),
        NodeState::NotRun(reason) => ("not run", reason),
        NodeState::NotReached | NodeState::Absent => ("not reached", String::new()),
    };
    let cell = run.cells.get(node.short()).filter(|_| !node.is_report());
    let title = cell.map_or(&node.title, |cell| &cell.title);
    NodeDigest {
        name: node.name.clone(),
        kind: node.kind().to_string(),
        title: clean(title, NAME_MAX),
        own_title: clean(&node.title, NAME_MAX),
        code: node.code_version,
        optional: node.optional,
        inputs: node.inputs.clone(),
        contract_hash: node.contract_hash.clone(),
        config: job_config(node),
        state: state.to_string(),
        message: clean(&message, SENTENCE_MAX),
        method: cell.map_or_else(String::new, |cell| clean(&cell.method, SENTENCE_MAX)),
    }
}

fn figure_digest(node: &str, kpi: &Kpi) -> FigureDigest {
    let has_target = kpi.value.is_some() && kpi.target.is_some();
    FigureDigest {
        node: node.to_string(),
        name: clean(&kpi.name, NAME_MAX),
        subject: clean(&kpi.subject, NAME_MAX),
        unit: clean(&kpi.unit, NAME_MAX),
        value: kpi.value.filter(|value| value.is_finite()),
        interval: kpi.interval.filter(|[a, b]| a.is_finite() && b.is_finite()),
        text: match kpi.value {
            Some(_) => clean(&kpi.text, NAME_MAX),
            None => String::new(),
        },
        interval_text: clean(&kpi.interval_text, NAME_MAX),
        previous: kpi.previous,
        tested: kpi.direction != Direction::None || kpi.significant,
        significant: kpi.significant,
        lower_is_better: kpi.lower_is_better,
        target: kpi.target,
        target_text: clean(&kpi.target_text, NAME_MAX),
        on_target: has_target.then(|| !kpi.misses_target()),
    }
}

fn finding_digest(node: &str, finding: &Finding) -> FindingDigest {
    FindingDigest {
        id: finding.id.clone(),
        node: node.to_string(),
        kind: clean(&finding.kind, NAME_MAX),
        what: clean(&finding.what, NAME_MAX),
        subject: clean(&finding.subject, NAME_MAX),
        severity: finding.severity,
        direction: finding.direction,
        sentence: clean(&finding.sentence, SENTENCE_MAX),
        size: finding
            .magnitude
            .clone()
            .filter(|size| size.value.is_finite()),
        method: clean(&finding.method, SENTENCE_MAX),
        improvement: improvement_id(finding).unwrap_or_default().to_string(),
    }
}

/// Identity of the improvement that a finding is about.
fn improvement_id(finding: &Finding) -> Option<&str> {
    let id = finding.numbers.get("improvement")?.as_str();
    id.filter(|_| finding.kind == "effect")
}

fn closed_digest(closed: &ClosedImprovement) -> ClosedDigest {
    ClosedDigest {
        improvement: clean(&closed.improvement, NAME_MAX),
        sentence: clean(&closed.sentence(), SENTENCE_MAX),
    }
}

fn effect_digest(node: &str, effect: &Effect, sentence: &str) -> EffectDigest {
    let estimate = effect.estimate();
    EffectDigest {
        node: node.to_string(),
        improvement: clean(&effect.improvement, NAME_MAX),
        title: clean(&effect.title, NAME_MAX),
        category: clean(&effect.category, NAME_MAX),
        date: clean(&effect.date, NAME_MAX),
        metric: clean(&effect.metric, NAME_MAX),
        verdict: effect.verdict,
        verdict_word: effect.verdict.word().to_string(),
        relative: effect
            .relative
            .map(|value| if value.is_finite() { value } else { 0.0 }),
        text: estimate.map_or_else(String::new, |estimate| estimate.signed()),
        interval_text: estimate.map_or_else(String::new, |estimate| estimate.signed_range()),
        sentence: clean(sentence, SENTENCE_MAX),
    }
}
