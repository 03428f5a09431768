{{- /* What is asked of the cluster before anything is made: checks.yaml and NOTES.txt. */ -}}

{{- /* Behind "the cluster has no X". `helm template` knows only what it is told. */ -}}
{{- define "talkmill.lacks" }} ({{ . }}); `helm template` asks no cluster and needs --api-versions {{ . }}{{ end }}

{{- /* Something that is in every cluster, or for the administrator of a namespace in every namespace. */ -}}
{{- define "talkmill.clusterAnswers" -}}
{{- if .Values.clusterChecks }}{{ if lookup "v1" "Namespace" "" "kube-system" }}true{{ end }}
{{- else if lookup "v1" "ServiceAccount" .Release.Namespace "default" }}true{{ end }}
{{- end }}

{{- /* Secrets that must be there already, and the keys that are read, as JSON: name to keys. */ -}}
{{- define "talkmill.existingSecrets" -}}
{{- $wanted := list (list .Values.auth.existingSecret "tokens.yaml" "token") (list .Values.models.caSecret "ca.crt") }}
{{- if .Values.traces.endpoint }}{{ $wanted = append $wanted (list .Values.traces.existingSecret "headers") }}{{ end }}
{{- range .Values.image.pullSecrets }}{{ $wanted = append $wanted (list .) }}{{ end }}
{{- range $role := include "talkmill.storeRoles" . | fromJsonArray }}
{{- if or (get $.Values.store.existingSecrets $role) (not $.Values.minio.enabled) }}
{{- $wanted = append $wanted (list (include "talkmill.storeSecret" (dict "root" $ "role" $role)) "access-key" "secret-key") }}
{{- end }}
{{- end }}
{{- if .Values.minio.enabled }}{{ $wanted = append $wanted (list .Values.minio.existingSecret "access-key" "secret-key") }}
{{- else }}{{ $wanted = append $wanted (list .Values.store.caSecret "ca.crt") }}{{ end }}
{{- if .Values.postgres.enabled }}{{ $wanted = append $wanted (list .Values.postgres.existingSecret "password" "url") }}
{{- else }}{{ $wanted = append $wanted (list .Values.database.existingSecret "url") }}{{ end }}
{{- if .Values.tls.enabled }}
{{- range list "orchestratorSecret" "stagesSecret" "clientSecret" }}{{ $wanted = append $wanted (list (get $.Values.tls .) "tls.crt" "tls.key" "ca.crt") }}{{ end }}
{{- end }}
{{- if eq .Values.expose.kind "ingress" }}
{{- $wanted = append $wanted (list .Values.expose.ingress.orchestratorTlsSecret "tls.crt" "tls.key") }}
{{- if .Values.minio.enabled }}{{ $wanted = append $wanted (list .Values.expose.ingress.storeTlsSecret "tls.crt" "tls.key") }}{{ end }}
{{- end }}
{{- $keys := dict }}
{{- range $wanted }}
{{- with first . }}{{ $_ := set $keys . (list) }}{{ end }}
{{- end }}
{{- range $wanted }}
{{- $name := first . }}
{{- if $name }}{{ $_ := set $keys $name (concat (get $keys $name) (rest .) | uniq) }}{{ end }}
{{- end }}
{{- toJson $keys }}
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
