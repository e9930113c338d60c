// Serves Better Auth with several processes: server.js PORT WORKERS
//
// The first process makes the schema, starts the workers and answers nothing itself. SIGTERM and SIGINT end all of them;
// a worker that ends by itself ends the server, for figures of half a server are worth nothing.
import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import process from 'node:process';

// Milliseconds in which a worker, once told to end, must have given its last answer, and must have ended.
const answerLimit = 2000;
const stopLimit = 5000;

const [port, workers] = process.argv.slice(2).map(Number);
if (!(port > 0 && port < 65536 && workers > 0)) {
  console.error('usage: server.js PORT WORKERS');
  process.exit(2);
}

if (cluster.isPrimary) {
  // The workers inherit both: a session that one of them signed is valid at the other.
  process.env.BETTER_AUTH_SECRET = randomBytes(32).toString('base64url');
  process.env.BETTER_AUTH_URL = `http://127.0.0.1:${port}`;
  await migrate();
  supervise();
} else {
  await serve();
}

async function migrate() {
  const { getMigrations } = await import('better-auth/db/migration');
  const { auth, pool } = await import('./auth.js');
  const { runMigrations } = await getMigrations(auth.options);
  await runMigrations();
  await pool.end();
}

function supervise() {
  let stopping = false;
  const stop = (status) => {
    if (stopping) return;
    stopping = true;
    process.exitCode = status;
    const alive = Object.values(cluster.workers);
    for (const worker of alive) worker.process.kill('SIGTERM');
    setTimeout(() => alive.forEach((worker) => worker.process.kill('SIGKILL')), stopLimit).unref();
  };
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => stop(0));
  cluster.on('exit', (worker, code, signal) => {
    if (stopping) return;
    console.error(`worker ${worker.process.pid} ended by itself (${signal ?? code})`);
    stop(1);
  });
  for (let started = 0; started < workers; started += 1) cluster.fork();
}

async function serve() {
  const { toNodeHandler } = await import('better-auth/node');
  const { auth, pool } = await import('./auth.js');
  const server = createServer(toNodeHandler(auth));
  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    // Answers what is at work and closes what is idle, then leaves the channel that keeps this process alive.
    server.close(async () => {
      await pool.end();
      process.disconnect();
    });
    // A connection that never asked for anything is not idle to Node.js, but it must not keep the server.
    setTimeout(() => server.closeAllConnections(), answerLimit).unref();
  };
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, stop);
  server.listen(port, '127.0.0.1');
}
