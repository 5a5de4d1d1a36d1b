#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 5 of the cluster runbook as a module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: prometheus_copy_metric_info
short_description: Read success rate and duration of backup copies from Prometheus
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Reads how many backup copies succeeded in the last day and how long they took, compares both with the days before,
    and says how far the figures can be trusted. This is step 5 of the runbook for cross-cluster backup sync.
  - An absent metric, a metric that has disappeared, a day without runs, old samples and a dead Pushgateway group are
    told apart from a success rate of zero.
  - The success rate may be a gauge, as ratio or percent, or two counters. The duration may be a gauge, a histogram, a
    summary or a counter of seconds. Which of them it is, is read from the names of the series.
  - Prometheus is reached by its own address (O(prometheus_url)) or through the service proxy of the Kubernetes API
    server (O(prometheus_service)), which needs C(get) on C(services/proxy). Anything that serves the query API of Prometheus
    can be read. When neither is given, RV(evidence.outcome) is V(not_configured).
  - It commonly sends four queries, all evaluated at the same moment, and reads at most O(max_rows) series per question.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - sre.backup_sync._attributes
  - sre.backup_sync._attributes.info_module
  - sre.backup_sync._attributes.actiongroup_kubernetes
  - sre.backup_sync._evidence
options:
  prometheus_url:
    description:
      - Address of Prometheus with its path prefix if it has one, for example V(https://mimir.example.org/prometheus).
    type: str
  prometheus_service:
    description:
      - The service of Prometheus, to be read through the API server of the connection options.
      - Only C(GET) is used, so that the verb C(get) on C(services/proxy) suffices. With C(resourceNames) the rule must
        hold the name exactly as it is used here, for example C(http:prometheus-operated:9090).
      - The API server passes no credentials on, so this does not work for a Prometheus behind a login.
    type: dict
    suboptions:
      namespace:
        description: Namespace of the service.
        type: str
        required: true
      name:
        description: Name of the service.
        type: str
        required: true
      port:
        description: Number or name of the service's port.
        type: str
        default: "9090"
      scheme:
        description: What the pods speak.
        type: str
        choices: [http, https]
        default: http
  prometheus_username:
    description:
      - User for basic authentication at O(prometheus_url).
    type: str
  prometheus_password:
    description:
      - Password for basic authentication at O(prometheus_url).
    type: str
  prometheus_token:
    description:
      - Bearer token for O(prometheus_url).
    type: str
  prometheus_headers:
    description:
      - More request headers for O(prometheus_url). Their values are treated as secrets, so every text of the result
        that contains one is masked. For a tenant's name use O(prometheus_tenant).
    type: dict
  prometheus_tenant:
    description:
      - Tenant of Mimir, Cortex or Loki-style gateways, sent to O(prometheus_url) as C(X-Scope-OrgID).
    type: str
  prometheus_ca_cert:
    description:
      - File with the certificates of the authorities to trust for O(prometheus_url).
    type: path
  prometheus_client_cert:
    description:
      - File with the client certificate for O(prometheus_url).
    type: path
  prometheus_client_key:
    description:
      - File with the key of O(prometheus_client_cert).
    type: path
  prometheus_validate_certs:
    description:
      - Whether the certificate of O(prometheus_url) must be valid.
    type: bool
    default: true
  success_rate_metric:
    description:
      - The gauge that holds the success rate. The names with C(_ratio) and C(_percent) added are found too.
    type: str
    default: backup_copy_job_success_rate
  success_counter:
    description:
      - The counter of copies that succeeded. Used when there is no gauge, and for the number of runs.
    type: str
    default: backup_copy_job_success_total
  failure_counter:
    description:
      - The counter of copies that failed.
    type: str
    default: backup_copy_job_failure_total
  success_rate_query:
    description:
      - PromQL that gives the success rate now, one sample per copy job, instead of O(success_rate_metric).
      - O(matchers) does not apply to it. How old its samples are is not known.
    type: str
  duration_metric:
    description:
      - The duration in seconds. Found with C(_seconds) added too, as gauge, histogram or summary (C(_bucket), C(_sum),
        C(_count)) or counter (C(_total)).
    type: str
    default: backup_copy_job_duration
  duration_query:
    description:
      - PromQL that gives the duration now in seconds, one sample per copy job, instead of O(duration_metric).
      - O(matchers) does not apply to it.
    type: str
  matchers:
    description:
      - Label matchers that all metrics are limited to, for example V(namespace="backup",cluster="prod").
    type: str
  window:
    description:
      - How far back to look, for example V(24h) or V(2d).
    type: str
    default: 24h
  baseline:
    description:
      - How much time before the window is the usual state that the duration is compared with.
    type: str
    default: 7d
  threshold:
    description:
      - A series whose average or last success rate is below this ratio counts in
        RV(evidence.summary.success_rate.below).
    type: float
    default: 0.9
  unit:
    description:
      - Unit of the success rate.
      - With V(auto) it is found from the metric's name, its values and its description.
    type: str
    choices: [auto, ratio, percent]
    default: auto
  resource_labels:
    description:
      - Labels that may name the copy job or what it copies; the first that a series has is taken.
    type: list
    elements: str
    default: [resource, job_name, cronjob, schedule, exported_job, job]
"""

EXAMPLES = r"""
- name: Read the copy metrics from Prometheus
  sre.backup_sync.prometheus_copy_metric_info:
    prometheus_url: https://prometheus.example.org
    prometheus_token: "{{ lookup('ansible.builtin.env', 'PROMETHEUS_TOKEN') }}"
    matchers: namespace="backup"
  register: metrics

- name: Read them through the API server, without another address or password
  sre.backup_sync.prometheus_copy_metric_info:
    kubeconfig: ~/.kube/destination
    prometheus_service:
      namespace: monitoring
      name: prometheus-operated

- name: Read the success rate of Velero, which counts backups under other names
  sre.backup_sync.prometheus_copy_metric_info:
    prometheus_url: https://prometheus.example.org
    success_counter: velero_backup_success_total
    failure_counter: velero_backup_failure_total
    duration_metric: velero_backup_duration
    on_error: report
"""

RETURN = r"""
evidence:
  description: What Prometheus knows about the copies.
  returned: always
  type: dict
  contains:
    step:
      description: The evidence key.
      type: str
      returned: always
      sample: metrics
    outcome:
      description:
        - V(ok) when at least one metric is or was there, V(empty) when neither is known.
        - Otherwise why Prometheus could not be read.
      type: str
      returned: always
      sample: ok
    query:
      description: The address, the metrics or queries, the matchers and the window.
      type: dict
      returned: always
    covered:
      description: The time for which there are samples.
      type: dict
      returned: always
    observed_at:
      description: The server's own time of the reading; all figures are of this moment.
      type: str
      returned: always
    clock:
      description: The server's clock against the one here.
      type: dict
      returned: always
    summary:
      description: Figures over all series.
      type: dict
      returned: always
      contains:
        success_rate:
          description:
            - The RV(ignore:verdict), which is V(ok), V(no_runs), V(stale), V(series_gone), V(metric_unknown),
              V(target_down) or V(partial), and the figures as ratios from 0 to 1.
          type: dict
          returned: success
          contains:
            below:
              description: How many series are below the threshold with their average or their last value.
              type: int
              returned: success
        duration:
          description: The verdict, and the figures in seconds. Slow is more than 1.5 times and 60 seconds above usual.
          type: dict
          returned: success
        freshness:
          description: Age of the newest sample, age of the newest push, and whether they are too old.
          type: dict
          returned: success
        pushed:
          description: Whether the series come through a Pushgateway, which never forgets a dead job's last value.
          type: bool
          returned: success
        warnings:
          description: What Prometheus said besides the answer.
          type: list
          elements: str
          returned: success
    series:
      description: The series, worst first.
      type: list
      elements: dict
      returned: success
    course:
      description: Rate and duration over all series in the parts of the window, the oldest first.
      type: list
      elements: dict
      returned: success
    total:
      description: How many series there are.
      type: dict
      returned: always
    truncated:
      description: Whether there are more series than rows.
      type: bool
      returned: always
    denied:
      description: Questions that were refused while the step went on.
      type: list
      elements: dict
      returned: success
    error:
      description: Why Prometheus could not be read, and what would allow it.
      type: dict
      returned: always
feed:
  description: Always empty; no later step needs more of the metrics than the evidence.
  returned: always
  type: dict
"""

from ansible_collections.sre.backup_sync.plugins.module_utils._gather.metrics import STEP
from ansible_collections.sre.backup_sync.plugins.module_utils._module import run_module


def main() -> None:
    """Run the step."""
    run_module(STEP)


if __name__ == "__main__":
    main()
