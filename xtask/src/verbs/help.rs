//! `cargo xtask help`.

/// What `help` prints.
pub(crate) const TEXT: &str = "\
Tasks of the project. Usage: cargo xtask <verb> [options]

  demo      build everything in release mode, start the server, serve the page
              --port N        listen there (default: 8080 or the next free one)
              --data DIR      keep keys, jobs and results there (default: in the target directory)
  test      run every test: Rust, WebAssembly, Node, Chromium
              [step ...]      only the steps named, and what they need
              --list          name the steps
              --fail-fast     stop at the first step that fails
              --no-browser    leave out what needs Chromium
  wasm      compile the client to WebAssembly, generate its bindings, build the npm package and the page
  packaging pack the npm package, install it into a project of each kind, predict in each, in Chromium and Firefox
  bench     measure the shipped models natively, in WebAssembly and over HTTP, from Node and from Chromium; rewrite
            the table of README.md
              all             this, core, layers, page, peers, worker and `load`
              layers          measure each layer of all shipped models, rewrite the table of docs/performance.md
              core            measure every operation of the core, rewrite the table of docs/performance.md
              page            measure how long visitors of the page wait, and the client in Chromium: the first
                              encryption, and the operations after it; rewrite that part of README.md
              peers           compare with six other libraries in the same run, rewrite the tables
                              of README.md and docs/performance.md
              worker          measure the Worker beside the native server, rewrite the table of docs/deploy-worker.md
              instructions    count instructions of the core's operations, rewrite benches/instructions.json
  conformance
            check a server against every numbered sentence of docs/api.md
              --url URL       that server; without it, the native one is built and started
              [...]           options of the suite: --token, --only 4.8, --strict, --with overload
  crash     kill the server at random points under load, and show that nothing was lost
              --kills N       how often (default: 300)
              --seed N        what the random times start from (default: 1)
  cluster   test the store that servers share on a real PostgreSQL and an S3-compatible object store, kill one of
            two servers on it, measure one and two
  load      measure requests per second, latency and memory over loopback, and what too much load does;
            rewrite the table of docs/operating.md
  worker    build the service for Cloudflare Workers, and serve it here in workerd, open to everybody
              --port N        listen there (default: 8080 or the next free one)
              --packages DIR  with these models (default: shipped ones that fit together)
              --data DIR      keep what it stores there (default: nothing is kept)
              --set NAME=VALUE    a variable or secret; OPEN=true if none is set
              --build         only build it: edge-server/worker/dist, ready for `npm run deploy`
  static    build the server as one file without dependencies: dist/edge-server
              --twice         and once more in another folder, and compare the bytes
  fuzz      fuzz every decoder
              [target ...]    only the targets named; `onnx`, which takes long to build, only if named
              --seconds N     in all (default: 120)
              --keep          add the smallest inputs that reach new code to fuzz/corpus
  vectors   rewrite tests/vectors/*.json
  models    compile models/*/model.onnx to models/*/package again, rewrite the table of accuracy in README.md
              [model ...]     only the models named
  help      print this
";
