//! A plan for the k6 operator on Kubernetes.
use super::handover::Handover;
use super::text::{comment, slug};
use perfdeck_plan::Plan;

/// The TestRun resource. Secrets come from a Kubernetes secret, results go to a volume, one file per pod.
pub(super) fn testrun(plan: &Plan, handover: &Handover) -> String {
    let slug = slug(&plan.name);
    let mut env = String::new();
    for (_, name) in &handover.env {
        // Names of environment variables are letters, digits and underscores.
        env.push_str(&format!(
            "      - name: {name}\n        valueFrom: {{secretKeyRef: {{name: perfdeck-{slug}, key: {name}}}}}\n"
        ));
    }
    let secret = if env.is_empty() {
        String::new()
    } else {
        let keys: String = handover.env.iter().map(|(_, n)| format!(" --from-literal={n}=\"${n}\"")).collect();
        format!("#   kubectl create secret generic perfdeck-{slug}{keys}\n")
    };
    format!(
        "# Perfdeck plan: {}\n\
         # The script has data files, so it goes into the ConfigMap as one archive. Above 1 MiB use a volume instead.\n\
         #   k6 archive script.js -O archive.tar\n\
         #   kubectl create configmap perfdeck-{slug} --from-file=archive.tar\n\
         {secret}\
         #   kubectl apply -f testrun.yaml\n\
         # Levels are those of all pods together. Import all files of the volume at once: percentiles of pods cannot be\n\
         # averaged. Each pod judges thresholds on its own share alone.\n\
         apiVersion: k6.io/v1alpha1\n\
         kind: TestRun\n\
         metadata:\n  name: perfdeck-{slug}\n\
         spec:\n\
         \x20 parallelism: 2\n\
         \x20 separate: true\n\
         \x20 script:\n    configMap:\n      name: perfdeck-{slug}\n      file: archive.tar\n\
         \x20 arguments: --out csv --tag testid={slug}\n\
         \x20 runner:\n\
         \x20   env:\n\
         \x20     - name: POD_NAME\n        valueFrom: {{fieldRef: {{fieldPath: metadata.name}}}}\n\
         \x20     - name: K6_CSV_FILENAME\n        value: /results/$(POD_NAME).csv\n\
         \x20     - name: K6_CSV_TIME_FORMAT\n        value: unix_nano\n\
         {env}\
         \x20   volumeMounts:\n      - name: results\n        mountPath: /results\n\
         \x20   volumes:\n      - name: results\n        persistentVolumeClaim: {{claimName: perfdeck-results}}\n",
        comment(&plan.name)
    )
}
