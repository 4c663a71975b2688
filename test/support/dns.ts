import { createServer, Packet } from 'dns2';

/** A real DNS server on loopback, whose answers a test changes. */
export interface DnsServer extends AsyncDisposable {
  /** `host:port` */
  readonly address: string;
  /** Addresses of a name, of both families. */
  addresses: Record<string, readonly string[]>;
  services: Record<string, readonly { readonly host: string; readonly port: number }[]>;
  /** Whether it answers SERVFAIL to everything. */
  isFailing: boolean;
  /** How many questions it was asked. */
  asked: number;
}

/** Starts one on a free UDP port. */
export async function startDns(): Promise<DnsServer> {
  const { TYPE, CLASS, RCODE } = Packet;
  const server = createServer({
    udp: true,
    handle(request, send) {
      dns.asked += 1;
      const response = Packet.createResponseFromRequest(request);
      const [question] = request.questions;
      const { name = '', type = 0 } = question ?? {};
      const record = { name, class: CLASS.IN, ttl: 0 };
      const isKnown = name in dns.addresses || name in dns.services;
      if (dns.isFailing) response.header.rcode = RCODE.SERVFAIL;
      else if (!isKnown) response.header.rcode = RCODE.NXDOMAIN;
      for (const address of dns.isFailing ? [] : (dns.addresses[name] ?? [])) {
        const family = address.includes(':') ? TYPE.AAAA : TYPE.A;
        if (family === type) response.answers.push({ ...record, type, address });
      }
      for (const { host, port } of dns.isFailing || type !== TYPE.SRV ? [] : (dns.services[name] ?? [])) {
        response.answers.push({ ...record, type, priority: 0, weight: 1, port, target: host });
      }
      send(response);
    },
  });
  const { udp } = await server.listen({ udp: { port: 0, address: '127.0.0.1' } });
  const dns: DnsServer = {
    address: `127.0.0.1:${udp?.port}`,
    addresses: {},
    services: {},
    isFailing: false,
    asked: 0,
    async [Symbol.asyncDispose]() {
      await server.close();
    },
  };
  return dns;
}
