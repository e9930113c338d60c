{{/* Names and labels. */}}

{{- define "enroll.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* 40 characters at most: suffixes of ours and of controllers come behind it, and a name ends after 63. */}}
{{- define "enroll.fullname" -}}
{{- $name := include "enroll.name" . -}}
{{- $whole := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $whole .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* What selects the pods of one component: a dict of root and component. */}}
{{- define "enroll.selector" -}}
app.kubernetes.io/name: {{ include "enroll.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* The labels of an object: a dict of root and component. */}}
{{- define "enroll.labels" -}}
{{ include "enroll.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "enroll.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "enroll.serviceAccount" -}}
{{- default (ternary (include "enroll.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{/* The shared databases, as a JSON list of names: those that have settings, and those that have a URL. */}}
{{- define "enroll.databases" -}}
{{- $settings := default dict .Values.settings.databases -}}
{{- $urls := ternary dict .Values.secrets.databases (ne .Values.secrets.existingSecret "") -}}
{{- concat (keys $settings) (keys $urls) | uniq | sortAlpha | toJson -}}
{{- end -}}

{{/* The Secret that pods read; `suffix` tells the copy for the migration, which runs before the release's own is there. */}}
{{- define "enroll.secret" -}}
{{- default (printf "%s%s" (include "enroll.fullname" .root) .suffix) .root.Values.secrets.existingSecret -}}
{{- end -}}

{{/* The hosts of Ingress and HTTPRoute, as a JSON list: those given, else the base domain and all under it. */}}
{{- define "enroll.hosts" -}}
{{- $base := .root.Values.settings.server.base_domain -}}
{{- if .given -}}{{- toJson .given -}}
{{- else if $base -}}{{- list $base (printf "*.%s" $base) | toJson -}}
{{- else -}}[]{{- end -}}
{{- end -}}

{{/* Who a pod is, and what it may do. No value of the chart weakens this. */}}
{{- define "enroll.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "enroll.containerSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* The variables of the program: a dict of root and secret. What the image sets for itself is set here, since a variable
stands over enroll.toml. */}}
{{- define "enroll.env" -}}
{{- $address := ternary "[::]" "0.0.0.0" (eq .root.Values.listenAddress "::") -}}
- name: ENROLL_CONFIG
  value: /etc/enroll/enroll.toml
- name: ENROLL__SERVER__PUBLIC_LISTEN
  value: {{ printf "%s:8080" $address | quote }}
- name: ENROLL__SERVER__ADMIN_LISTEN
  value: {{ printf "%s:9090" $address | quote }}
- name: ENROLL__DATA__DIR
  value: /var/lib/enroll
- name: ENROLL__TELEMETRY__LOG_FORMAT
  value: {{ dig "telemetry" "log_format" "json" .root.Values.settings }}
{{- if eq .root.Values.storage.kind "server" }}
- name: ENROLL__PLATFORM__URL
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: platform-url
{{- end }}
{{- range include "enroll.databases" .root | fromJsonArray }}
- name: ENROLL__DATABASES__{{ upper . }}__URL
  valueFrom:
    secretKeyRef:
      name: {{ $.secret }}
      key: database-{{ . }}
{{- end }}
{{- with .root.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What both the server and `enroll migrate` see of the file system. */}}
{{- define "enroll.mounts" -}}
- name: config
  mountPath: /etc/enroll
  readOnly: true
- name: secrets
  mountPath: /etc/enroll-secrets
  readOnly: true
{{- end -}}

{{/* A dict of root, config and secret: the names of both. */}}
{{- define "enroll.volumes" -}}
- name: config
  configMap:
    name: {{ .config }}
- name: secrets
  secret:
    secretName: {{ .secret }}
    # 0440: owned by root, and the pod's group reads it.
    defaultMode: 288
    items:
      - key: master-key
        path: master-key
{{- end -}}

{{- define "enroll.secretData" -}}
master-key: {{ .Values.secrets.masterKey | toJson }}
{{- if eq .Values.storage.kind "server" }}
platform-url: {{ .Values.secrets.platformUrl | toJson }}
{{- end }}
{{- range $name, $url := .Values.secrets.databases }}
database-{{ $name }}: {{ $url | toJson }}
{{- end }}
{{- end -}}
