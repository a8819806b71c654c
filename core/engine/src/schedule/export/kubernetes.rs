//! Writes cron jobs for Kubernetes.

use super::{ScheduledCommand, name};

/// Maximum length of the name of a `CronJob`: Kubernetes appends eleven characters for a job, whose
/// limit is 63.
const MAX_NAME_LENGTH: usize = 52;
/// Mount path of the volume.
const WORKSPACE: &str = "/workspace";

/// Writes a volume, and a cron job for each command.
pub fn kubernetes(commands: &[ScheduledCommand<'_>]) -> String {
    let mut text = VOLUME.to_string();
    for command in commands {
        text.push_str("---\n");
        text.push_str(&cron_job(command));
    }
    text
}

const VOLUME: &str = "\
# For `kubectl apply -f FILE`.
#
# The volume holds the workspace: jobs/ and templates/, which are copied there once, and lake and
# archive, which the runs write. Several nodes at once need `ReadWriteMany`, on storage with
# working file locks.
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

fn cron_job(command: &ScheduledCommand<'_>) -> String {
    let check_times = command.check_times(60);
    let text = |text: &str| serde_json::Value::from(text).to_string();
    format!(
        "\
# {job}: {due}; checked {frequency}.
#
# The schedule below is not that of the job but of its checks. A check runs what is due, retries
# what failed, and catches up missed runs, as the job file configures.
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: retrocast
spec:
  schedule: {schedule}
  timeZone: {zone}
  # A check is not needed while another is running; a late check is as good.
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 900
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      # A later check retries what failed, as the job file configures.
      backoffLimit: 0
      template:
        metadata:
          labels:
            app.kubernetes.io/name: retrocast
        spec:
          restartPolicy: Never
          # A stopped run ends cleanly and is resumed later.
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
        job = command.job,
        due = command.describe_due(),
        frequency = check_times.describe(),
        name = name(command.job, MAX_NAME_LENGTH),
        schedule = text(&format!("{} * * * *", check_times.cron())),
        zone = text(command.timezone),
        image = text(&command.image),
        argument = text(command.job),
    )
}
