// Usage: node requests.cjs URL COUNT FILE…: asks for each FILE under URL, COUNT requests in all, all of them at once,
// compares the answers with the files and prints `COUNT answered`.
const fs = require('fs')
const http = require('http')
const path = require('path')
const [url, count, ...files] = process.argv.slice(2)
const expected = files.map(file => fs.readFileSync(file))
let answered = 0
for (let i = 0; i < Number(count); i++) {
  const which = i % files.length
  const request = http.get(new URL(path.basename(files[which]), url), {agent: false}, answer => {
    const parts = []
    answer.on('data', part => parts.push(part))
    answer.on('end', () => {
      if (answer.statusCode !== 200 || !Buffer.concat(parts).equals(expected[which])) {
        console.error(`request ${i}: status ${answer.statusCode}, ${Buffer.concat(parts).length} bytes`)
        process.exit(1)
      }
      if (++answered === Number(count)) console.log(`${count} answered`)
    })
  })
  request.on('error', error => { console.error(`request ${i}:`, error); process.exit(1) })
}
