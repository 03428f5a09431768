{{- /* The object store: where it is, whose credential a pod has, and what each credential may do. */ -}}

{{- define "talkmill.storeRoles" -}}
["models", "orchestrator", "pack", "stages"]
{{- end }}

{{- define "talkmill.storeRole" -}}
{{ eq . "pack" | ternary "pack" "stages" }}
{{- end }}

{{- /* The Secret of a role: (dict "root" $ "role" "stages") */ -}}
{{- define "talkmill.storeSecret" -}}
{{- $own := get .root.Values.store.existingSecrets .role }}
{{- if $own }}{{ $own }}
{{- else if .root.Values.minio.enabled }}{{ include "talkmill.name" (dict "root" .root "part" (printf "store-%s" .role)) }}
{{- else }}{{ .root.Values.store.existingSecret }}{{ end }}
{{- end }}

{{- define "talkmill.sharesCredential" -}}
{{- range $role, $secret := .Values.store.existingSecrets }}{{ if not $secret }}true{{ end }}{{ end }}
{{- end }}

{{- /* MinIO's root credential: of MinIO and of the Job that makes its users, and of nothing else. */ -}}
{{- define "talkmill.minioSecret" -}}
{{ .Values.minio.existingSecret | default (include "talkmill.name" (dict "root" . "part" "minio")) }}
{{- end }}

{{- define "talkmill.storeEndpoint" -}}
{{- if .Values.minio.enabled }}{{ include "talkmill.name" (dict "root" . "part" "minio") }}.{{ .Release.Namespace }}.svc:9000
{{- else }}{{ .Values.store.endpoint }}{{ end }}
{{- end }}

{{- /* What clients reach: addresses for uploads and downloads are signed for it. */ -}}
{{- define "talkmill.publicEndpoint" -}}
{{- if and (ne .Values.expose.kind "none") .Values.expose.storeHost }}{{ .Values.expose.storeHost }}:443
{{- else }}{{ .Values.store.publicEndpoint }}{{ end }}
{{- end }}

{{- define "talkmill.publicSecure" -}}
{{- if and (ne .Values.expose.kind "none") .Values.expose.storeHost }}true
{{- else if not (kindIs "invalid" .Values.store.publicSecure) }}{{ .Values.store.publicSecure }}{{ end }}
{{- end }}

{{- /* A credential as settings: the name of its Secret. */ -}}
{{- define "talkmill.storeKeys" -}}
- name: TALKMILL_STORE__ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: access-key}}
- name: TALKMILL_STORE__SECRET_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: secret-key}}
{{- end }}

{{- define "talkmill.storeAddress" -}}
- {name: TALKMILL_STORE__ENDPOINT, value: {{ include "talkmill.storeEndpoint" . | quote }}}
- {name: TALKMILL_STORE__SECURE, value: {{ and .Values.store.secure (not .Values.minio.enabled) | quote }}}
- {name: TALKMILL_STORE__REGION, value: {{ .Values.store.region | quote }}}
{{- end }}

{{- /* (dict "root" $ "role" "stages") */ -}}
{{- define "talkmill.storeEnv" -}}
{{ include "talkmill.storeAddress" .root }}
- {name: TALKMILL_STORE__WORK_BUCKET, value: {{ .root.Values.store.workBucket | quote }}}
- {name: TALKMILL_STORE__DATASET_BUCKET, value: {{ .root.Values.store.datasetBucket | quote }}}
- {name: TALKMILL_STORE__MODEL_BUCKET, value: {{ .root.Values.store.modelBucket | quote }}}
{{- if and .root.Values.store.caSecret (not .root.Values.minio.enabled) }}
- {name: TALKMILL_STORE__CA_CERTIFICATE, value: /etc/talkmill/store/ca.crt}
{{- end }}
{{ include "talkmill.storeKeys" (include "talkmill.storeSecret" .) }}
{{- end }}

{{- /* One statement: (dict "bucket" name "actions" list "keys" "*"); without keys it is about the bucket. */ -}}
{{- define "talkmill.allow" -}}
{{- $resource := printf "arn:aws:s3:::%s" .bucket }}
{{- with .keys }}{{ $resource = printf "%s/%s" $resource . }}{{ end }}
{{- dict "Effect" (.effect | default "Allow") "Action" .actions "Resource" (list $resource) | toJson }}
{{- end }}

{{- /* What a role's credential may do, in the language of S3's policies: (dict "root" $ "role" "stages"), as JSON. An
     object that is not there is told from one that is forbidden by ListBucket. */ -}}
{{- define "talkmill.storePolicy" -}}
{{- $store := .root.Values.store }}
{{- $look := list "s3:ListBucket" }}
{{- $read := list "s3:GetObject" }}
{{- $write := list "s3:PutObject" "s3:AbortMultipartUpload" "s3:ListMultipartUploadParts" }}
{{- $own := list "s3:CreateBucket" "s3:ListBucket" "s3:ListBucketMultipartUploads" }}
{{- $statements := list }}
{{- if eq .role "stages" }}
{{- $statements = list
  (dict "bucket" $store.workBucket "actions" $look)
  (dict "bucket" $store.workBucket "keys" "*" "actions" (concat $read $write))
  (dict "effect" "Deny" "bucket" $store.workBucket "keys" "uploads/*" "actions" (list "s3:PutObject"))
  (dict "bucket" $store.modelBucket "actions" $look)
  (dict "bucket" $store.modelBucket "keys" "*" "actions" $read) }}
{{- else if eq .role "pack" }}
{{- $statements = list
  (dict "bucket" $store.workBucket "actions" $look)
  (dict "bucket" $store.workBucket "keys" "*" "actions" $read)
  (dict "bucket" $store.datasetBucket "actions" $look)
  (dict "bucket" $store.datasetBucket "keys" "runs/*/pack/*" "actions" (concat $read $write)) }}
{{- else if eq .role "models" }}
{{- $statements = list
  (dict "bucket" $store.modelBucket "actions" $own)
  (dict "bucket" $store.modelBucket "keys" "*" "actions" (concat $read $write)) }}
{{- else if eq .role "orchestrator" }}
{{- $all := concat $read $write (list "s3:DeleteObject") }}
{{- $statements = list
  (dict "bucket" $store.workBucket "actions" (concat $own (list "s3:GetLifecycleConfiguration" "s3:PutLifecycleConfiguration")))
  (dict "bucket" $store.workBucket "keys" "*" "actions" $all)
  (dict "bucket" $store.datasetBucket "actions" $own)
  (dict "bucket" $store.datasetBucket "keys" "runs/*" "actions" $all)
  (dict "effect" "Deny" "bucket" $store.datasetBucket "keys" "runs/*/pack/*" "actions" (list "s3:PutObject")) }}
{{- end }}
{{- $rendered := list }}
{{- range $statements }}{{ $rendered = append $rendered (include "talkmill.allow" . | fromJson) }}{{ end }}
{{- dict "Version" "2012-10-17" "Statement" $rendered | toJson }}
{{- end }}
