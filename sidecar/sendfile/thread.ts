import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { SendOrder, ThreadOrder, ThreadReport } from './messages.ts';
import { loadNative } from './native.ts';

// <sys/epoll.h> and <errno.h> of Linux.
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 0x1;
const EPOLLOUT = 0x4;
const EPOLLET = 0x8000_0000;
const EAGAIN = 11;
const MAX_EVENTS = 256;
const EVENT_BYTES = process.arch === 'x64' ? 12 : 16;
const DATA_OFFSET = EVENT_BYTES - 8;
// Of one file in a turn, so that a fast client does not keep the others waiting. Of less than a socket takes at once each
// call leaves some for a further one: measured, at 1 MiB 16 streams got a tenth less.
const TURN_BYTES = 4 * 1024 * 1024;
const COUNTER_BYTES = 8;

interface Sending {
  readonly order: SendOrder;
  /** Of `order.spans` the one being sent, and how much of it is. */
  at: number;
  of: number;
  /** Of all of them. */
  sent: number;
}

/**
 * Runs in a thread of its own: sends files to sockets as fast as these take them, all at a time, as an event loop
 * of epoll(7). Orders come by the parent's port, and each is announced by a write to `workerData.wake`.
 */
function run(): void {
  const native = loadNative();
  const port = parentPort;
  if (native === undefined || port === null) throw new Error('this is a thread of Senders');
  const { wake } = workerData as { wake: number };
  const epoll = native.epollCreate(0);
  const events = Buffer.alloc(MAX_EVENTS * EVENT_BYTES);
  const event = Buffer.alloc(EVENT_BYTES);
  const counter = Buffer.alloc(COUNTER_BYTES);
  const offset = new BigInt64Array(1);
  const sendings = new Map<number, Sending>();
  /** Those whose socket may take more. */
  const ready = new Set<Sending>();

  const control = (operation: number, fd: number, mask: number, id: number) => {
    event.writeUInt32LE(mask >>> 0, 0);
    event.writeBigUInt64LE(BigInt(id), DATA_OFFSET);
    native.epollControl(epoll, operation, fd, event);
  };
  const end = (sending: Sending, errno?: number) => {
    const { id, socket } = sending.order;
    ready.delete(sending);
    sendings.delete(id);
    control(EPOLL_CTL_DEL, socket, 0, id);
    native.close(socket);
    const report: ThreadReport = { id, sent: sending.sent, ...(errno === undefined ? {} : { errno }) };
    port.postMessage(report);
  };
  const turn = (sending: Sending) => {
    const { socket, spans } = sending.order;
    const span = spans[sending.at];
    if (span === undefined) return end(sending);
    offset[0] = BigInt(span.offset + sending.of);
    const sent = native.sendfile(socket, span.file, offset, Math.min(span.length - sending.of, TURN_BYTES));
    if (sent <= 0) {
      const errno = sent === 0 ? 0 : native.errno();
      if (errno === EAGAIN) ready.delete(sending);
      else end(sending, errno);
      return;
    }
    sending.sent += sent;
    sending.of += sent;
    if (sending.of < span.length) return;
    sending.at += 1;
    sending.of = 0;
    if (sending.at === spans.length) end(sending);
  };
  const obey = (order: ThreadOrder): boolean => {
    if (order.type === 'send') {
      const sending = { order, at: 0, of: 0, sent: 0 };
      sendings.set(order.id, sending);
      ready.add(sending);
      control(EPOLL_CTL_ADD, order.socket, EPOLLOUT | EPOLLET, order.id);
    } else if (order.type === 'cancel') {
      const sending = sendings.get(order.id);
      // One that has ended was reported already.
      if (sending !== undefined) end(sending);
    }
    return order.type !== 'end';
  };

  // Ids of orders count from 1.
  control(EPOLL_CTL_ADD, wake, EPOLLIN, 0);
  for (let goesOn = true; goesOn; ) {
    const count = native.epollWait(epoll, events, MAX_EVENTS, ready.size > 0 ? 0 : -1);
    for (let at = 0; at < count * EVENT_BYTES; at += EVENT_BYTES) {
      const sending = sendings.get(Number(events.readBigUInt64LE(at + DATA_OFFSET)));
      if (sending !== undefined) ready.add(sending);
      else native.read(wake, counter, COUNTER_BYTES);
    }
    for (
      let message = receiveMessageOnPort(port);
      message !== undefined;
      message = receiveMessageOnPort(port)
    )
      goesOn = obey(message.message) && goesOn;
    for (const sending of ready) turn(sending);
  }
  for (const sending of [...sendings.values()]) end(sending);
  native.close(epoll);
}

run();
