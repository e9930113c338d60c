// Registers end users at one tenant, each with a name of its own, at a fixed rate whatever the answers take
// (an open model: slow answers do not slow the arrivals, as in life).
//
// Environment:
//   BASE_URL   the public address, for instance http://127.0.0.1:8080
//   TENANT     the tenant's key, sent as X-Tenant-Id
//   RATE       registrations begun per second           (default 20)
//   DURATION   for how long, as k6 writes it            (default 30s)
//   P99_MS     bound of the 99th percentile, in ms      (default 2000)
//   INVITE     an invite code to send along             (default none)
//
// The run fails if any answer is not the token document of docs/contract.md section 3, if the bound is missed, or if
// so many requests are waiting that k6 cannot begin the next one in time.
import { check } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';

const baseUrl = required('BASE_URL');
const tenant = required('TENANT');
const rate = positive('RATE', 20);
const p99 = positive('P99_MS', 2000);
// As many requests at work as arrive while an answer may take twice its bound.
const users = Math.max(10, Math.ceil((rate * 2 * p99) / 1000));

export const options = {
  scenarios: {
    register: {
      executor: 'constant-arrival-rate',
      rate,
      timeUnit: '1s',
      duration: __ENV.DURATION || '30s',
      preAllocatedVUs: users,
      maxVUs: users,
    },
  },
  thresholds: {
    checks: ['rate==1'],
    http_req_failed: ['rate<0.01'],
    http_req_duration: [`p(99)<${p99}`],
    dropped_iterations: ['count==0'],
  },
  summaryTrendStats: ['min', 'avg', 'med', 'p(90)', 'p(95)', 'p(99)', 'max'],
};

// Digits of names: none looks like another, nor like two others, for names that look alike are taken for one
// (docs/contract.md section 2.2). In base 36 `1` would be `l`, and `rn` would be `m`.
const digits = 'bcdfghjkpqstvxyz23456789';

function spell(number) {
  const rest = Math.floor(number / digits.length);
  return (rest > 0 ? spell(rest) : '') + digits[number % digits.length];
}

// Runs once; every virtual user gets what it returns.
export function setup() {
  // Seven characters that differ from second to second until the year 2115.
  return { run: spell(Math.floor(Date.now() / 1000)) };
}

export default function register({ run }) {
  // At most 15 characters (docs/contract.md section 2.2): 7 of the run, 1, up to 7 of the iteration.
  const attributes = {
    username: `${run}-${spell(exec.scenario.iterationInTest)}`,
    password: 'Violet-Harbour-27-lamps',
  };
  if (__ENV.INVITE) {
    attributes.code = __ENV.INVITE;
  }
  const answer = http.post(`${baseUrl}/api/register`, JSON.stringify({ data: { attributes } }), {
    headers: { 'Content-Type': 'application/vnd.api+json', 'X-Tenant-Id': tenant },
    timeout: '30s',
  });
  check(answer, {
    'status is 200': ({ status }) => status === 200,
    'answer is a token document': isTokenDocument,
  });
}

function isTokenDocument(answer) {
  try {
    const { type, id, attributes } = answer.json('data');
    return (
      answer.headers['Content-Type'] === 'application/vnd.api+json' &&
      type === 'token' &&
      typeof id === 'string' &&
      attributes.token_type === 'Bearer' &&
      attributes.expires_in > 0 &&
      attributes.access_token.length > 0 &&
      attributes.refresh_token.length > 0
    );
  } catch {
    return false;
  }
}

function required(name) {
  if (!__ENV[name]) {
    throw new Error(`${name} is not set`);
  }
  return __ENV[name];
}

function positive(name, otherwise) {
  const value = Number(__ENV[name] || otherwise);
  if (!(value > 0)) {
    throw new Error(`${name} must be a positive number`);
  }
  return value;
}
