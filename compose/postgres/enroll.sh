#!/bin/sh
# The image of PostgreSQL runs this once, on an empty volume. The role is no superuser, for row-level security does not
# bind one (docs/operations.md, "Databases and placements").
set -eu
psql --set=ON_ERROR_STOP=1 --set=password="$(cat /run/secrets/enroll_password)" --username=postgres <<'SQL'
CREATE ROLE enroll LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'password';
CREATE DATABASE enroll OWNER enroll;
SQL
