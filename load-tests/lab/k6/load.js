// The load of one k6 run: streams of arrivals at rates of their own, whatever the answers take (an open model: slow
// answers do not slow the arrivals, as in life). The lab writes the plan (lab/k6.py) and reads the raw points.
//
// Environment: LAB_PLAN, JSON: { prefix, scenarios }, where each of k6's scenarios names its function in `exec` and its
// target in `env`. What a stream measures has the tag name=measured; what it needs beforehand has name=before.
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter } from 'k6/metrics';

const plan = JSON.parse(__ENV.LAB_PLAN);

export const options = {
  scenarios: plan.scenarios,
  systemTags: ['scenario', 'status', 'name', 'error_code'],
  // Only raw points are read, and only of the few metrics that the lab asks for.
  summaryTrendStats: ['count'],
  discardResponseBodies: false,
};

// Refusals for now must say when to come again.
const withoutRetryAfter = new Counter('without_retry_after');
// 200s that are not what docs/contract.md promises.
const malformed = new Counter('malformed');

const digits = 'bcdfghjkpqstvxyz23456789';

// As `spell` of lab/names.py.
function spell(number, width) {
  let text = '';
  for (let rest = number; rest > 0 || text.length < width; rest = Math.floor(rest / digits.length)) {
    text = digits[rest % digits.length] + text;
  }
  return text;
}

function newName() {
  return __ENV.PREFIX + spell(exec.scenario.iterationInTest, 4);
}

function send(method, path, body, headers, name = 'measured') {
  const answer = http.request(method, `${__ENV.URL}${path}`, body, {
    headers: { 'Content-Type': 'application/json', ...headers },
    tags: { name },
    timeout: '30s',
  });
  if ((answer.status === 429 || answer.status === 503) && !answer.headers['Retry-After']) {
    withoutRetryAfter.add(1);
  }
  return answer;
}

function post(route, attributes, name = 'measured') {
  const body = JSON.stringify({ data: { attributes } });
  const answer = send('POST', `/api/${route}`, body, { 'X-Tenant-Id': __ENV.TENANT }, name);
  if (answer.status === 200 && !isTokenDocument(answer)) {
    malformed.add(1);
  }
  return answer;
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

// A new user.
export function register() {
  post('register', { username: newName(), password: __ENV.PASSWORD });
}

// A new user with what a mini program sends; the simulator makes it. The server asks the simulator in its turn.
export function registerByWechat() {
  const name = newName();
  const answer = http.post(
    `${__ENV.SIMULATOR}/control/wechat/js_code`,
    JSON.stringify({ app_id: __ENV.APP_ID, user: name }),
    { tags: { name: 'before' } },
  );
  const { js_code, iv, encryptedData } = answer.json();
  post('register', { username: name, password: __ENV.PASSWORD, js_code, iv, encryptedData });
}

// A login of one of USERS users, whose names are USERS_PREFIX and a number.
export function login() {
  const user = exec.scenario.iterationInTest % Number(__ENV.USERS);
  post('login', { username: `${__ENV.USERS_PREFIX}${spell(user, 3)}`, password: __ENV.PASSWORD });
}

// The refresh token of this virtual user. The first arrivals go to users that had none yet, so each takes one of SESSIONS
// that no other takes.
let token = null;

export function refresh() {
  token = token || JSON.parse(__ENV.SESSIONS)[exec.scenario.iterationInTest];
  const answer = post('refresh-token', { refresh_token: token });
  if (answer.status === 200) {
    token = answer.json('data.attributes.refresh_token');
  }
}

// The profile of whoever ACCESS_TOKEN speaks for.
export function me() {
  send('GET', '/api/users/me', null, {
    'X-Tenant-Id': __ENV.TENANT,
    Authorization: `Bearer ${__ENV.ACCESS_TOKEN}`,
  });
}

// One call to each tenant in turn that reads its database and hashes nothing: the profile of nobody.
export function visit() {
  const tenant = `${__ENV.TENANT}${Number(__ENV.FIRST) + exec.scenario.iterationInTest}`;
  send('GET', '/api/users/1', null, { 'X-Tenant-Id': tenant });
}

// A GET of PATH, for probes.
export function probe() {
  send('GET', __ENV.PATH_ASKED, null, {});
}
