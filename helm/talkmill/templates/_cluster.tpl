{{- /* What is asked of the cluster before anything is made: checks.yaml and NOTES.txt. */ -}}

{{- /* Behind "the cluster has no X". `helm template` knows only what it is told. */ -}}
{{- define "talkmill.lacks" }} ({{ . }}); `helm template` asks no cluster and needs --api-versions {{ . }}{{ end }}

{{- /* Something that is in every cluster, or for the administrator of a namespace in every namespace. */ -}}
{{- define "talkmill.clusterAnswers" -}}
{{- if .Values.clusterChecks }}{{ if lookup "v1" "Namespace" "" "kube-system" }}true{{ end }}
{{- else if lookup "v1" "ServiceAccount" .Release.Namespace "default" }}true{{ end }}
{{- end }}

{{- /* Names of the Secrets that must be there already, as JSON. */ -}}
{{- define "talkmill.existingSecrets" -}}
{{- $names := concat (list .Values.auth.existingSecret .Values.models.caSecret) .Values.image.pullSecrets }}
{{- range $role := include "talkmill.storeRoles" . | fromJsonArray }}
{{- $own := get $.Values.store.existingSecrets $role }}
{{- if or $own (not $.Values.minio.enabled) }}{{ $names = append $names (include "talkmill.storeSecret" (dict "root" $ "role" $role)) }}{{ end }}
{{- end }}
{{- $names = append $names (.Values.minio.enabled | ternary .Values.minio.existingSecret .Values.store.caSecret) }}
{{- $names = append $names (.Values.postgres.enabled | ternary .Values.postgres.existingSecret .Values.database.existingSecret) }}
{{- if .Values.tls.enabled }}{{ $names = concat $names (list .Values.tls.orchestratorSecret .Values.tls.stagesSecret .Values.tls.clientSecret) }}{{ end }}
{{- if eq .Values.expose.kind "ingress" }}
{{- $names = append $names .Values.expose.ingress.orchestratorTlsSecret }}
{{- if .Values.minio.enabled }}{{ $names = append $names .Values.expose.ingress.storeTlsSecret }}{{ end }}
{{- end }}
{{- compact $names | uniq | toJson }}
{{- end }}

{{- /* Resources of GPUs that stages ask for and no node has now, as JSON. A pool of nodes may be scaled to zero. */ -}}
{{- define "talkmill.absentGpus" -}}
{{- $absent := list }}
{{- if .Values.clusterChecks }}
{{- $nodes := (lookup "v1" "Node" "" "").items | default list }}
{{- range $name, $_ := .Values.stages }}
{{- $gpu := (include "talkmill.stage" (dict "root" $ "part" $name) | fromJson).gpu }}
{{- $found := false }}
{{- range $nodes }}{{ if hasKey (.status.allocatable | default dict) $gpu.resourceName }}{{ $found = true }}{{ end }}{{ end }}
{{- if and $gpu.enabled $nodes (not $found) }}{{ $absent = append $absent (printf "%s for %s" $gpu.resourceName $name) }}{{ end }}
{{- end }}
{{- end }}
{{- toJson $absent }}
{{- end }}

{{- /* Whether the chart makes a Secret itself. */ -}}
{{- define "talkmill.makesSecrets" -}}
{{- if not .Values.auth.existingSecret }}true{{ end }}
{{- if and .Values.postgres.enabled (not .Values.postgres.existingSecret) }}true{{ end }}
{{- if and .Values.minio.enabled (or (not .Values.minio.existingSecret) (include "talkmill.sharesCredential" .)) }}true{{ end }}
{{- end }}
