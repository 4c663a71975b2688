import { createServer, Packet } from 'dns2';

/** A real DNS server, whose answers a test changes. */
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
export async function startDns(host = '127.0.0.1'): Promise<DnsServer> {
  const { TYPE, CLASS, RCODE } = Packet;
  const server = createServer({
    udp: true,
    handle(request, send) {
      dns.asked += 1;
      const response = Packet.createResponseFromRequest(request);
      const [question] = request.questions;
      const { name = '', type = 0 } = question ?? {};
      const answer = (type: number, data: object) =>
        response.answers.push(new Packet.Resource({ name, type, class: CLASS.IN, ttl: 0, ...data }));
      const isKnown = name in dns.addresses || name in dns.services;
      if (dns.isFailing || !isKnown) {
        response.header.rcode = dns.isFailing ? RCODE.SERVFAIL : RCODE.NXDOMAIN;
        return send(response);
      }
      for (const address of dns.addresses[name] ?? []) {
        const family = address.includes(':') ? TYPE.AAAA : TYPE.A;
        if (family === type) answer(type, { address });
      }
      for (const { host, port } of type === TYPE.SRV ? (dns.services[name] ?? []) : []) {
        answer(type, { priority: 0, weight: 1, port, target: host });
      }
      send(response);
    },
  });
  const { udp } = await server.listen({ udp: { port: 0, address: host } });
  const dns: DnsServer = {
    address: `${host}:${udp?.port}`,
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
