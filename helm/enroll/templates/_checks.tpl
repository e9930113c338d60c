{{/* Refuses what cannot work, all at once. What one value alone may be, values.schema.json says; secrets are checked here,
because a schema's refusal repeats the value. */}}
{{- define "enroll.check" -}}
{{- $faults := list -}}
{{- $v := .Values -}}
{{- $server := $v.settings.server -}}
{{- $sqlite := eq $v.storage.kind "sqlite" -}}
{{- $existing := ne $v.secrets.existingSecret "" -}}
{{- $url := "^(postgres|postgresql|mysql|mariadb)://[^/]+/.+" -}}

{{- if and $sqlite (gt (int64 $v.replicaCount) 1) -}}
{{- $faults = append $faults "an SQLite file belongs to one process: set replicaCount to 1, or storage.kind to server" -}}
{{- end -}}
{{- if and $sqlite $v.autoscaling.enabled -}}
{{- $faults = append $faults "an SQLite file belongs to one process: set autoscaling.enabled to false, or storage.kind to server" -}}
{{- end -}}
{{- if and $sqlite $v.secrets.platformUrl -}}
{{- $faults = append $faults "secrets.platformUrl has no place with storage.kind sqlite, whose platform database lies on the volume" -}}
{{- end -}}
{{- if gt (int64 $v.autoscaling.minReplicas) (int64 $v.autoscaling.maxReplicas) -}}
{{- $faults = append $faults "autoscaling.minReplicas must not be above autoscaling.maxReplicas" -}}
{{- end -}}

{{- if and $existing (or $v.secrets.masterKey $v.secrets.platformUrl $v.secrets.databases) -}}
{{- $faults = append $faults "secrets.existingSecret excludes secrets.masterKey, secrets.platformUrl and secrets.databases" -}}
{{- end -}}
{{- if not $existing -}}
{{- if not $v.secrets.masterKey -}}
{{- $faults = append $faults "there is no master key: set secrets.existingSecret, or secrets.masterKey to the output of `openssl rand -hex 32`" -}}
{{- else if not (regexMatch "^[0-9a-fA-F]{64}$" $v.secrets.masterKey) -}}
{{- $faults = append $faults "secrets.masterKey must be 64 hexadecimal digits" -}}
{{- else if eq $v.secrets.masterKey (repeat 64 (substr 0 1 $v.secrets.masterKey)) -}}
{{- $faults = append $faults "secrets.masterKey is one digit repeated; make a random one" -}}
{{- end -}}
{{- if and (not $sqlite) (not $v.secrets.platformUrl) -}}
{{- $faults = append $faults "there is no platform database: set secrets.existingSecret or secrets.platformUrl, or storage.kind to sqlite" -}}
{{- end -}}
{{- if and $v.secrets.platformUrl (not (regexMatch $url $v.secrets.platformUrl)) -}}
{{- $faults = append $faults "secrets.platformUrl must be postgres://, mysql:// or mariadb:// with a host and a database" -}}
{{- end -}}
{{- range include "enroll.databases" . | fromJsonArray -}}
{{- if not (regexMatch $url (default "" (get $v.secrets.databases .))) -}}
{{- $faults = append $faults (printf "secrets.databases.%s must be postgres://, mysql:// or mariadb:// with a host and a database" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- if or $v.ingress.enabled $v.httpRoute.enabled -}}
{{- if not $server.public_url -}}
{{- $faults = append $faults "settings.server.public_url must be the address that clients use: it goes into every token" -}}
{{- end -}}
{{- if not $server.trusted_proxies -}}
{{- $faults = append $faults "settings.server.trusted_proxies must name the networks of the ingress controller's pods, else all clients count as one address" -}}
{{- end -}}
{{- end -}}
{{- range $server.trusted_proxies -}}
{{- if hasSuffix "/0" . -}}
{{- $faults = append $faults "settings.server.trusted_proxies: a network of prefix length 0 would trust everybody" -}}
{{- end -}}
{{- end -}}
{{- if and $v.ingress.enabled (eq (include "enroll.hosts" (dict "root" . "given" $v.ingress.hosts)) "[]") -}}
{{- $faults = append $faults "the Ingress has no host: set settings.server.base_domain or ingress.hosts" -}}
{{- end -}}
{{- if and $v.httpRoute.enabled (eq (include "enroll.hosts" (dict "root" . "given" $v.httpRoute.hostnames)) "[]") -}}
{{- $faults = append $faults "the HTTPRoute has no host: set settings.server.base_domain or httpRoute.hostnames" -}}
{{- end -}}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.parentRefs) -}}
{{- $faults = append $faults "the HTTPRoute belongs to no Gateway: set httpRoute.parentRefs" -}}
{{- end -}}

{{- if not (include "enroll.threads" .) -}}
{{- $faults = append $faults "set resources.limits.cpu or settings.hashing.threads: nothing else says how many passwords are hashed at one time" -}}
{{- end -}}
{{- $grace := include "enroll.grace" . | int64 -}}
{{- $given := int64 $v.terminationGracePeriodSeconds -}}
{{- if and $given (lt $given $grace) -}}
{{- $faults = append $faults (printf "terminationGracePeriodSeconds is %d, but a graceful stop may take %d s by preStopSeconds, settings.shutdown and settings.server.request_timeout_ms" $given $grace) -}}
{{- end -}}
{{- if and $v.serviceMonitor.enabled $v.networkPolicy.enabled (not $v.networkPolicy.operatorsFrom) -}}
{{- $faults = append $faults "networkPolicy.operatorsFrom must let Prometheus in where serviceMonitor.enabled is true" -}}
{{- end -}}
{{- if and $v.prometheusRule.enabled (not (.Files.Get "files/alerts.yaml")) -}}
{{- $faults = append $faults "prometheusRule.enabled: this chart has no files/alerts.yaml" -}}
{{- end -}}
{{- if and $v.dashboard.enabled (not (.Files.Get "files/dashboard.json")) -}}
{{- $faults = append $faults "dashboard.enabled: this chart has no files/dashboard.json" -}}
{{- end -}}

{{- $set := list "ENROLL_CONFIG" "ENROLL__PLATFORM__URL" "ENROLL__SERVER__PUBLIC_LISTEN" "ENROLL__SERVER__ADMIN_LISTEN" "ENROLL__DATA__DIR" "ENROLL__TELEMETRY__LOG_FORMAT" "ENROLL__SECRETS__MASTER_KEY" "ENROLL__SECRETS__MASTER_KEY_FILE" -}}
{{- range include "enroll.databases" . | fromJsonArray -}}
{{- $set = append $set (printf "ENROLL__DATABASES__%s__URL" (upper .)) -}}
{{- end -}}
{{- range $v.extraEnv -}}
{{- if has .name $set -}}
{{- $faults = append $faults (printf "extraEnv: %s is set by the chart" .name) -}}
{{- end -}}
{{- end -}}

{{- if $faults -}}
{{- fail (printf "\n- %s\n" (join "\n- " $faults)) -}}
{{- end -}}
{{- end -}}
