/** `listen PORT` sends back what comes; `connect PORT ADDRESS` sends a line every 200 ms and prints `echo` for each that returns. */
import { connect, createServer } from "node:net";

const LINE_MS = 200;
const AGAIN_MS = 500;

const [role, port = "", address = ""] = process.argv.slice(2);
if (role === "listen") {
  createServer((socket) => {
    socket.on("error", () => undefined); // the client tells
    socket.pipe(socket);
  }).listen(Number(port), "0.0.0.0");
} else dial();

/** Until there is a connection; one that was there and broke is the end. */
function dial(): void {
  let wasOpen = false;
  const socket = connect(Number(port), address, () => {
    wasOpen = true;
    setInterval(() => socket.write("line\n"), LINE_MS).unref();
  });
  socket.on("data", (bytes) => {
    const lines = bytes.toString().split("\n").length - 1;
    process.stdout.write("echo\n".repeat(lines));
  });
  socket.on("error", (error) => {
    process.stderr.write(`${error.message}\n`);
    if (!wasOpen) setTimeout(dial, AGAIN_MS);
  });
}
