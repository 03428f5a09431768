{{- /* Those that load models before they are ready: tests/helm compares it with the services. */ -}}
{{- define "talkmill.stagesWithModels" -}}
["coarse_fit", "fine_fit", "landmarks", "matting", "split"]
{{- end }}

{{- define "talkmill.modelsVolume" -}}
{{- $cache := .Values.models.cache }}
- name: models
  {{- if eq $cache.kind "pvc" }}
  persistentVolumeClaim:
    claimName: {{ $cache.pvc.existingClaim | default (include "talkmill.name" (dict "root" . "part" "models")) }}
  {{- else if eq $cache.kind "hostPath" }}
  hostPath: {path: {{ $cache.hostPath.path }}, type: Directory}
  {{- else }}
  emptyDir: {sizeLimit: 5Gi}
  {{- end }}
{{- end }}

{{- /* The Job fills a volume that it shares with the pods, or else the bucket. */ -}}
{{- define "talkmill.modelsInit" -}}
{{- $shared := eq .Values.models.cache.kind "pvc" }}
- name: models
  image: {{ include "talkmill.image" (dict "root" . "part" "model_fetch") }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: [{{ $shared | ternary "wait" "pull" }}, {{ range .Values.models.ids }}{{ . | quote }}, {{ end }}"--patience", "3600"]
  env: {{- include "talkmill.storeEnv" (dict "root" . "role" "stages") | nindent 4 }}
  resources: {{- toYaml .Values.models.resources | nindent 4 }}
  securityContext: {{- include "talkmill.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - {name: scratch, mountPath: /scratch}
    - {name: models, mountPath: /models{{ if $shared }}, readOnly: true{{ end }}}
    {{- include "talkmill.storeCaMount" . | nindent 4 }}
{{- end }}

{{- define "talkmill.scratchVolume" -}}
- name: scratch
  {{- if .storageClassName }}
  ephemeral:
    volumeClaimTemplate:
      spec:
        accessModes: [ReadWriteOnce]
        storageClassName: {{ .storageClassName }}
        resources: {requests: {storage: {{ .sizeLimit }}}}
  {{- else }}
  emptyDir: {sizeLimit: {{ .sizeLimit }}}
  {{- end }}
{{- end }}

{{- define "talkmill.storeCaMount" -}}
{{- if and .Values.store.caSecret (not .Values.minio.enabled) }}
- {name: store-ca, mountPath: /etc/talkmill/store, readOnly: true}
{{- end }}
{{- end }}

{{- define "talkmill.storeCaVolume" -}}
{{- if and .Values.store.caSecret (not .Values.minio.enabled) }}
- name: store-ca
  secret: {secretName: {{ .Values.store.caSecret }}, items: [{key: ca.crt, path: ca.crt}]}
{{- end }}
{{- end }}

{{- define "talkmill.secretMounts" -}}
{{- include "talkmill.storeCaMount" . }}
{{- if .Values.tls.enabled }}
- {name: tls, mountPath: /etc/talkmill/tls, readOnly: true}
{{- end }}
{{- end }}

{{- define "talkmill.secretVolumes" -}}
{{- include "talkmill.storeCaVolume" .root }}
{{- if .root.Values.tls.enabled }}
- name: tls
  secret: {secretName: {{ .tls }}, defaultMode: 0440}
{{- end }}
{{- end }}
