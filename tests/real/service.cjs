// esbuild's own Node library talking to the binary that ESBUILD_BINARY_PATH names, through its --service protocol.
// Usage: node service.cjs PATH-OF-THE-LIBRARY DIRECTORY. Prints `ok` at the end.
const assert = require('assert')
const fs = require('fs')
const path = require('path')
const [library, directory] = process.argv.slice(2)
const esbuild = require(library)
const at = name => path.join(directory, name)

async function main() {
  assert.strictEqual(esbuild.version, '0.28.2')

  // transform, many at once, and one larger than a pipe
  const transformed = await Promise.all(Array.from({length: 300}, (_, i) =>
    esbuild.transform(`let value${i}: number = ${i}; export { value${i} as x }`, {loader: 'ts', minify: true})))
  transformed.forEach((result, i) => assert.strictEqual(result.code, `let e=${i};export{e as x};\n`))
  const big = Array.from({length: 60000}, (_, i) => `export const name${i} = ${i};`).join('\n')
  assert.strictEqual((await esbuild.transform(big)).code.split('\n').length, 60001)
  assert.strictEqual(esbuild.transformSync('let a = 1 + 2', {minify: true}).code, 'let a=3;\n')

  // build, in memory and to files
  fs.writeFileSync(at('main.js'), 'import {text} from "./other.js"; console.log(text)')
  fs.writeFileSync(at('other.js'), 'export const text = "first"')
  const options = {entryPoints: [at('main.js')], bundle: true, logLevel: 'silent'}
  let result = await esbuild.build({...options, write: false, metafile: true, sourcemap: 'inline'})
  assert.match(result.outputFiles[0].text, /"first"/)
  assert.strictEqual(Object.keys(result.metafile.inputs).length, 2)
  await esbuild.build({...options, outfile: at('out.js')})
  assert.match(fs.readFileSync(at('out.js'), 'utf8'), /"first"/)

  // errors carry their place
  fs.writeFileSync(at('bad.js'), 'let a = 1\nlet b = ;\n')
  await assert.rejects(esbuild.build({...options, entryPoints: [at('bad.js')], write: false}), error => {
    assert.strictEqual(error.errors.length, 1)
    assert.strictEqual(error.errors[0].location.line, 2)
    assert.match(error.errors[0].text, /Unexpected ";"/)
    return true
  })
  await assert.rejects(esbuild.transform('let a = ', {}), /Unexpected end of file/)
  await assert.rejects(esbuild.build({...options, entryPoints: [at('missing.js')], write: false}), /Could not resolve/)

  // plugins: callbacks from the binary into this process
  const calls = {resolve: 0, load: 0, start: 0, end: 0}
  const plugin = {
    name: 'virtual',
    setup(build) {
      build.onStart(() => { calls.start++ })
      build.onEnd(() => { calls.end++ })
      build.onResolve({filter: /^virtual:/}, args => { calls.resolve++; return {path: args.path, namespace: 'virtual'} })
      build.onLoad({filter: /.*/, namespace: 'virtual'}, async args => {
        calls.load++
        await new Promise(done => setTimeout(done, 5))
        const number = Number(args.path.slice(8))
        return {contents: number < 50 ? `import "virtual:${number + 1}"; console.log(${number})` : 'console.log("last")'}
      })
    },
  }
  fs.writeFileSync(at('plugged.js'), 'import "virtual:0"')
  result = await esbuild.build({...options, entryPoints: [at('plugged.js')], write: false, plugins: [plugin]})
  assert.match(result.outputFiles[0].text, /"last"/)
  assert.deepStrictEqual(calls, {resolve: 51, load: 51, start: 1, end: 1})

  // context: rebuild, watch, serve, cancel, dispose
  let built = 0, onBuilt = () => {}
  const context = await esbuild.context({...options, outfile: at('watched.js'), plugins: [{
    name: 'count', setup: build => build.onEnd(() => { built++; onBuilt() })}]})
  await context.rebuild()
  fs.writeFileSync(at('other.js'), 'export const text = "second"')
  await context.rebuild()
  assert.match(fs.readFileSync(at('watched.js'), 'utf8'), /"second"/)
  await context.watch()
  for (const text of ['third', 'fourth']) {
    while (built < 3) await new Promise(done => { onBuilt = done }) // the build that watch() begins with
    const before = built
    fs.writeFileSync(at('other.js'), `export const text = "${text}"`)
    while (built === before) await new Promise(done => { onBuilt = done })
    assert.match(fs.readFileSync(at('watched.js'), 'utf8'), new RegExp(`"${text}"`))
  }
  const {port, hosts} = await context.serve({host: '127.0.0.1', servedir: directory})
  assert.deepStrictEqual(hosts, ['127.0.0.1'])
  const answer = await fetch(`http://127.0.0.1:${port}/watched.js`)
  assert.match(await answer.text(), /"fourth"/)
  await context.cancel()
  await context.dispose()
  await assert.rejects(fetch(`http://127.0.0.1:${port}/watched.js`))

  const many = await Promise.all(Array.from({length: 40}, async (_, i) => {
    fs.writeFileSync(at(`entry${i}.js`), `import {text} from "./other.js"; export default text + ${i}`)
    return esbuild.build({...options, entryPoints: [at(`entry${i}.js`)], write: false, format: 'esm', minify: true})
  }))
  many.forEach((result, i) => assert.match(result.outputFiles[0].text, new RegExp(`\\+${i}`)))
  assert.strictEqual(await esbuild.formatMessages([{text: 'a message'}], {kind: 'error'}).then(m => m.length), 1)
  await esbuild.stop()
  console.log('ok')
}
main().catch(error => { console.error(error); process.exit(1) })
