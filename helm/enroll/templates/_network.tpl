{{/* Names and databases: what both the server and the migration ask. A list of egress rules. */}}
{{- define "enroll.egress" -}}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
  {{- with .Values.networkPolicy.dnsTo }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- if and .Values.networkPolicy.databasePorts (or (eq .Values.storage.kind "server") (ne (include "enroll.databases" .) "[]")) }}
- ports:
    {{- range .Values.networkPolicy.databasePorts }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
  {{- with .Values.networkPolicy.databaseTo }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end -}}
