{{- define "talkmill.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- /* Name of a part: (dict "root" $ "part" "coarse_fit") */ -}}
{{- define "talkmill.name" -}}
{{ include "talkmill.fullname" .root }}-{{ .part | replace "_" "-" }}
{{- end }}

{{- define "talkmill.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "talkmill.labels" -}}
{{ include "talkmill.selector" . }}
app.kubernetes.io/part-of: talkmill
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- /* The stages are those of stages:, in the order of their names. A deep merge that, unlike mergeOverwrite, lets
     0, false and empty take the place of a default: (dict "base" map "over" map), as JSON. */ -}}
{{- define "talkmill.merge" -}}
{{- $result := deepCopy .base }}
{{- range $key, $value := .over }}
{{- if and (kindIs "map" $value) (kindIs "map" (get $result $key)) }}
{{- $_ := set $result $key (include "talkmill.merge" (dict "base" (get $result $key) "over" $value) | fromJson) }}
{{- else }}
{{- $_ := set $result $key $value }}
{{- end }}
{{- end }}
{{- toJson $result }}
{{- end }}

{{- /* Values of a stage: (dict "root" $ "part" name), as JSON. */ -}}
{{- define "talkmill.stage" -}}
{{- include "talkmill.merge" (dict "base" .root.Values.stageDefaults "over" (get .root.Values.stages .part | default dict)) }}
{{- end }}

{{- define "talkmill.image" -}}
{{- $name := .part | replace "_" "-" }}
{{- $digest := get .root.Values.image.digests (printf "%s%s" $name (.suffix | default "")) }}
{{- .root.Values.image.registry }}/{{ $name }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}{{ .suffix | default "" }}{{ with $digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "talkmill.databaseSecret" -}}
{{- if .Values.postgres.enabled }}{{ .Values.postgres.existingSecret | default (include "talkmill.name" (dict "root" . "part" "postgres")) }}
{{- else }}{{ .Values.database.existingSecret }}{{ end }}
{{- end }}

{{- define "talkmill.authSecret" -}}
{{ .Values.auth.existingSecret | default (include "talkmill.name" (dict "root" . "part" "auth")) }}
{{- end }}

{{- /* Where a part answers. */ -}}
{{- define "talkmill.host" -}}
{{ include "talkmill.name" . }}.{{ .root.Release.Namespace }}.svc
{{- end }}

{{- define "talkmill.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "talkmill.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "talkmill.ports" -}}
- {name: grpc, containerPort: 50051}
- {name: metrics, containerPort: 9090}
{{- if .Values.tls.enabled }}
- {name: health, containerPort: 8081}
{{- end }}
{{- end }}

{{- /* Kubernetes' gRPC probes speak no TLS. (dict "root" $ "startupSeconds" 300) */ -}}
{{- define "talkmill.probes" -}}
{{- $port := .root.Values.tls.enabled | ternary 8081 50051 }}
startupProbe:
  grpc: {port: {{ $port }}, service: readiness}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: {{ div .startupSeconds 5 }}
readinessProbe:
  grpc: {port: {{ $port }}, service: readiness}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
livenessProbe:
  grpc: {port: {{ $port }}, service: liveness}
  periodSeconds: 20
  timeoutSeconds: 10
  failureThreshold: 6
{{- end }}

{{- define "talkmill.spread" -}}
{{- if .values.topologySpreadConstraints }}
{{- toYaml .values.topologySpreadConstraints }}
{{- else -}}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{- include "talkmill.selector" . | nindent 6 }}
{{- end }}
{{- end }}

{{- /* What every pod has where it is to run: (dict "root" $ "part" name "values" map) */ -}}
{{- define "talkmill.scheduling" -}}
{{- with .values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints: {{- include "talkmill.spread" . | nindent 2 }}
{{- $class := .values.priorityClassName }}
{{- if and (not $class) .root.Values.priorityClasses.create }}
{{- $class = include "talkmill.name" (dict "root" .root "part" (eq .part "orchestrator" | ternary "orchestrator" "stage")) }}
{{- end }}
{{- with $class }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "talkmill.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- /* A value that is made once and kept by upgrades: (dict "root" $ "secret" name "key" key "length" 32) */ -}}
{{- define "talkmill.kept" -}}
{{- $known := lookup "v1" "Secret" .root.Release.Namespace .secret }}
{{- if and $known (hasKey ($known.data | default dict) .key) }}{{ get $known.data .key | b64dec }}
{{- else }}{{ randAlphaNum .length }}{{ end }}
{{- end }}
