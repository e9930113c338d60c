{{/* enroll.toml, and what follows from the settings: threads, memory, time to stop. */}}

{{/* Whole cores of the CPU limit, one at least, as the program counts them; empty without a limit. */}}
{{- define "enroll.cores" -}}
{{- $cpu := toString (default "" .Values.resources.limits.cpu) -}}
{{- if hasSuffix "m" $cpu -}}
{{- max 1 (div (int64 (trimSuffix "m" $cpu)) 1000) -}}
{{- else if $cpu -}}
{{- max 1 (int64 (floor (float64 $cpu))) -}}
{{- end -}}
{{- end -}}

{{/* A setting, or what stands here where it is 0 or missing: a dict of root, section, key and default. */}}
{{- define "enroll.setting" -}}
{{- $given := int64 (dig .section .key 0 .root.Values.settings) -}}
{{- if $given -}}{{- $given -}}{{- else -}}{{- .default -}}{{- end -}}
{{- end -}}

{{- define "enroll.threads" -}}
{{- include "enroll.setting" (dict "root" . "section" "hashing" "key" "threads" "default" (include "enroll.cores" .)) -}}
{{- end -}}

{{/* MiB of memory by the formula of docs/operations.md, "Memory": 70 MiB, a block for each hashing thread, the live tenants
and a quarter, the names, and SQLite files at work. The defaults are those of config/default.toml. */}}
{{- define "enroll.memory" -}}
{{- $kib := include "enroll.setting" (dict "root" . "section" "hashing" "key" "memory_kib" "default" 19456) | int64 -}}
{{- $live := include "enroll.setting" (dict "root" . "section" "tenants" "key" "max_live_bytes" "default" 268435456) | int64 -}}
{{- $names := include "enroll.setting" (dict "root" . "section" "tenants" "key" "names" "default" 10000) | int64 -}}
{{- $threads := include "enroll.threads" . | int64 -}}
{{- $files := ternary (int64 .Values.storage.filesAtWork) 0 (eq .Values.storage.kind "sqlite") -}}
{{- $bytes := add (mul 70 1048576) (mul $threads $kib 1024) $live (div $live 4) (mul $names 2048) (mul $files 2097152) -}}
{{- div (add $bytes 1048575) 1048576 -}}
{{- end -}}

{{/* Seconds from the decision to end a pod until the longest graceful stop is over (docs/operations.md, "Stop"): the wait
before SIGTERM, "not ready", requests at work, tenants that end what runs and then themselves, and what is written last. */}}
{{- define "enroll.grace" -}}
{{- $request := include "enroll.setting" (dict "root" . "section" "server" "key" "request_timeout_ms" "default" 10000) | int64 -}}
{{- $shutdown := .Values.settings.shutdown -}}
{{- $tenants := mul 2 (add 2 (div (add $request 999) 1000)) -}}
{{- $requests := div (add (int64 $shutdown.not_ready_ms) (int64 $shutdown.grace_ms) 999) 1000 -}}
{{- add (int64 .Values.preStopSeconds) $requests $tenants 7 -}}
{{- end -}}

{{/* A tree of settings as TOML: a dict of path and tree. JSON writes text and lists as TOML does. */}}
{{- define "enroll.toml" -}}
{{- $path := .path -}}
{{- $lines := list -}}
{{- if $path -}}{{- $lines = append $lines (printf "\n[%s]" $path) -}}{{- end -}}
{{- range $key, $value := .tree -}}
{{- if or (kindIs "string" $value) (kindIs "slice" $value) (kindIs "bool" $value) -}}
{{- $lines = append $lines (printf "%s = %s" $key (toJson $value)) -}}
{{- else if not (kindIs "map" $value) -}}
{{- $lines = append $lines (printf "%s = %d" $key (int64 $value)) -}}
{{- end -}}
{{- end -}}
{{- range $key, $value := .tree -}}
{{- if kindIs "map" $value -}}
{{- $inner := ternary (printf "%s.%s" $path $key) $key (ne $path "") -}}
{{- $lines = append $lines (include "enroll.toml" (dict "path" $inner "tree" $value)) -}}
{{- end -}}
{{- end -}}
{{- join "\n" $lines -}}
{{- end -}}

{{/* The settings as given, and over them what is the chart's own. */}}
{{- define "enroll.config" -}}
{{- $tree := deepCopy .Values.settings -}}
{{- $tree = mergeOverwrite $tree (dict "secrets" (dict "master_key_file" "/etc/enroll-secrets/master-key")) -}}
{{- $cores := include "enroll.cores" . -}}
{{- range $section, $key := dict "hashing" "threads" "tenants" "arbiters" "server" "workers" -}}
{{- $value := include "enroll.setting" (dict "root" $ "section" $section "key" $key "default" $cores) -}}
{{- if $value -}}
{{- $_ := mergeOverwrite $tree (dict $section (dict $key (int64 $value))) -}}
{{- end -}}
{{- end -}}
{{ include "enroll.toml" (dict "path" "" "tree" $tree) | trim }}
{{- end -}}
