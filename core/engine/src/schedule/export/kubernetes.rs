//! Writes cron jobs for Kubernetes.

use super::{Call, name};

/// Maximum length of the name of a `CronJob`: Kubernetes appends eleven characters for a job, whose limit
/// is 63.
const MOST: usize = 52;
/// Mount path of the volume.
const WORKSPACE: &str = "/workspace";

/// Writes a volume, and a cron job for each of these jobs.
pub fn kubernetes(calls: &[Call<'_>]) -> String {
    let mut text = VOLUME.to_string();
    for call in calls {
        text.push_str("---\n");
        text.push_str(&cron_job(call));
    }
    text
}

const VOLUME: &str = "\
# For `kubectl apply -f FILE`.
#
# The volume holds the workspace: jobs/ and templates/, which are copied there once, and lake and
# archive, which the runs write. More nodes than one at a time need `ReadWriteMany`, on storage
# with working file locks.
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: retrocast
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 20Gi
";

fn cron_job(call: &Call<'_>) -> String {
    let check_times = call.check_times(60);
    let text = |text: &str| serde_json::Value::from(text).to_string();
    format!(
        "\
# {job}: {due}; looks {often}.
#
# The cron job does not say when the job is due but how often to look: then what is due is run,
# what failed is tried again, and what was missed is made up for as the job file says.
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: retrocast
spec:
  schedule: {schedule}
  timeZone: {zone}
  # A look that finds another at work has nothing to do; one that comes late does as well.
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 900
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      # What failed is tried again by a later look, as the job file says.
      backoffLimit: 0
      template:
        metadata:
          labels:
            app.kubernetes.io/name: retrocast
        spec:
          restartPolicy: Never
          # Stopped, a run ends in order and is gone on with later.
          terminationGracePeriodSeconds: 90
          automountServiceAccountToken: false
          securityContext:
            runAsNonRoot: true
            runAsUser: 10001
            runAsGroup: 10001
            fsGroup: 10001
            seccompProfile:
              type: RuntimeDefault
          containers:
            - name: retrocast
              image: {image}
              command: [\"retrocast\"]
              args: [\"--workspace\", \"{WORKSPACE}\", \"schedule\", \"tick\", {argument}]
              # Variables and secrets that job files refer to.
              envFrom:
                - secretRef:
                    name: retrocast
                    optional: true
              resources:
                requests:
                  cpu: \"1\"
                  memory: 1Gi
                limits:
                  memory: 2Gi
              securityContext:
                allowPrivilegeEscalation: false
                readOnlyRootFilesystem: true
                capabilities:
                  drop: [ALL]
              volumeMounts:
                - name: workspace
                  mountPath: {WORKSPACE}
                - name: tmp
                  mountPath: /tmp
          volumes:
            - name: workspace
              persistentVolumeClaim:
                claimName: retrocast
            - name: tmp
              emptyDir: {{}}
",
        job = call.job,
        due = call.due(),
        often = check_times.words(),
        name = name(call.job, MOST),
        schedule = text(&format!("{} * * * *", check_times.cron())),
        zone = text(call.timezone),
        image = text(&call.image),
        argument = text(call.job),
    )
}
