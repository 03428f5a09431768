{{- /* Variables of the containers. */ -}}

{{- /* A container's variables: (dict "chart" (YAML of a list) "own" map); one of the user's own takes the place of the
     chart's of the same name. Helm reads whole numbers as floats: they are written out. */ -}}
{{- define "talkmill.env" -}}
{{- $own := .own }}
{{- $entries := list }}
{{- range .chart | fromYamlArray }}
{{- if not (hasKey $own .name) }}{{ $entries = append $entries . }}{{ end }}
{{- end }}
{{- range $name, $value := $own }}
{{- $text := toString $value }}
{{- if kindIs "float64" $value }}{{ if eq (floor $value) $value }}{{ $text = printf "%.0f" $value }}{{ end }}{{ end }}
{{- $entries = append $entries (dict "name" $name "value" $text) }}
{{- end }}
{{- toYaml $entries }}
{{- end }}

{{- define "talkmill.listenEnv" -}}
- {name: TALKMILL_LISTEN__ADDRESS, value: "0.0.0.0"}
- {name: TALKMILL_LISTEN__PORT, value: "50051"}
- {name: TALKMILL_LISTEN__METRICS_PORT, value: "9090"}
{{- if .Values.tls.enabled }}
- {name: TALKMILL_LISTEN__HEALTH_PORT, value: "8081"}
- {name: TALKMILL_TLS__CERTIFICATE, value: /etc/talkmill/tls/tls.crt}
- {name: TALKMILL_TLS__KEY, value: /etc/talkmill/tls/tls.key}
{{- else }}
- {name: TALKMILL_LISTEN__PLAIN_TEXT, value: "true"}
{{- end }}
{{- end }}

{{- /* OpenTelemetry's own variables; nothing where traces are off. */ -}}
{{- define "talkmill.tracesEnv" -}}
{{- with .Values.traces }}
{{- if .endpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ .endpoint | quote }}}
{{- with .existingSecret }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom: {secretKeyRef: {name: {{ . }}, key: headers}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* (dict "root" $ "part" name "stage" values) */ -}}
{{- define "talkmill.stageEnv" -}}
{{ include "talkmill.listenEnv" .root }}
{{- if .root.Values.tls.enabled }}
- {name: TALKMILL_TLS__CLIENT_CA, value: /etc/talkmill/tls/ca.crt}
{{- end }}
{{ include "talkmill.storeEnv" (dict "root" .root "role" (include "talkmill.storeRole" .part)) }}
{{- include "talkmill.tracesEnv" .root }}
- {name: TALKMILL_SLOTS, value: {{ .stage.slots | quote }}}
- {name: TALKMILL_THREADS, value: {{ .stage.threads | quote }}}
{{- if (.stage.resources.requests | default dict).cpu }}
# Rounded up. Without a limit the pod sees all cores of its node.
- name: TALKMILL_CORES
  valueFrom: {resourceFieldRef: {resource: requests.cpu}}
{{- end }}
- {name: TALKMILL_EXECUTION_PROVIDER, value: {{ .stage.gpu.enabled | ternary .stage.gpu.executionProvider "cpu" }}}
- {name: TALKMILL_DRAIN_GRACE_SECONDS, value: {{ .stage.gracePeriodSeconds | quote }}}
{{- end }}

{{- define "talkmill.orchestratorEnv" -}}
{{- $targets := dict }}
{{- $concurrency := dict }}
{{- range $name, $_ := .Values.stages }}
{{- $of := dict "root" $ "part" $name }}
{{- $stage := include "talkmill.stage" $of | fromJson }}
{{- $_ := set $targets $name (printf "dns:///%s:50051" (include "talkmill.host" $of)) }}
{{- $pods := eq $stage.autoscaling.kind "none" | ternary $stage.replicas $stage.autoscaling.maxReplicas }}
{{- /* Each replica of the orchestrator keeps its share of all slots busy, and one more call in waiting. */}}
{{- $_ := set $concurrency $name (add 1 (ceil (divf (mul $pods $stage.slots) $.Values.orchestrator.replicas))) }}
{{- end }}
{{ include "talkmill.listenEnv" . }}
{{ include "talkmill.storeEnv" (dict "root" . "role" "orchestrator") }}
{{- include "talkmill.tracesEnv" . }}
- {name: TALKMILL_STORE__PUBLIC_ENDPOINT, value: {{ include "talkmill.publicEndpoint" . | quote }}}
{{- with include "talkmill.publicSecure" . }}
- {name: TALKMILL_STORE__PUBLIC_SECURE, value: {{ . | quote }}}
{{- end }}
- {name: TALKMILL_STORE__RETENTION_DAYS, value: {{ .Values.store.retentionDays | quote }}}
- name: TALKMILL_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ include "talkmill.databaseSecret" . }}, key: url}}
- {name: TALKMILL_TOKENS_FILE, value: /etc/talkmill/auth/tokens.yaml}
- {name: TALKMILL_STAGE_TARGETS, value: {{ $targets | toJson | quote }}}
- {name: TALKMILL_STAGE_CONCURRENCY, value: {{ $concurrency | toJson | quote }}}
{{- if .Values.tls.enabled }}
- {name: TALKMILL_STAGE_TLS__CA, value: /etc/talkmill/client/ca.crt}
- {name: TALKMILL_STAGE_TLS__CERTIFICATE, value: /etc/talkmill/client/tls.crt}
- {name: TALKMILL_STAGE_TLS__KEY, value: /etc/talkmill/client/tls.key}
{{- end }}
{{- end }}

{{- /* Registries behind a company's CA: OpenSSL, which pip asks too, and Node.js trust it beside the system's. */ -}}
{{- define "talkmill.modelFetchEnv" -}}
{{ include "talkmill.storeEnv" (dict "root" . "role" "models") }}
{{- if .Values.models.caSecret }}
- {name: SSL_CERT_FILE, value: /etc/talkmill/registries/ca.crt}
- {name: NODE_EXTRA_CA_CERTS, value: /etc/talkmill/registries/ca.crt}
{{- end }}
{{- end }}
