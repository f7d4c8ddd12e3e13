{{/* One operator per namespace: its Service is known to backends by this name. */}}
{{- define "labelloop.name" -}}labelloop-operator{{- end }}

{{- define "labelloop.selector" -}}
app.kubernetes.io/name: labelloop-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "labelloop.labels" -}}
{{ include "labelloop.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* ClusterRoles are cluster-wide names. */}}
{{- define "labelloop.clusterName" -}}labelloop-operator-{{ .Release.Namespace }}{{- end }}

{{/* What the operator may do in the namespaces it works in: exactly the calls it makes. */}}
{{- define "labelloop.rules" -}}
- apiGroups: [labelloop.dev]
  resources: [labelstudiobackends]
  verbs: [get, list, watch, patch]
- apiGroups: [labelloop.dev]
  resources: [labelstudiobackends/status]
  verbs: [patch]
- apiGroups: [labelloop.dev]
  resources: [labelstudiobackends/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
# By name only: no list, no watch.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch]
# That the pod of a training Job has succeeded, and its termination messages.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
# Listed for one Job that has no pod: why its pod is refused, nothing else tells.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [get, list, create, patch]
{{- end }}
