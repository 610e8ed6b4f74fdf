#pragma once

/*
 * The agent: a host's one representative
 *
 * One a host (a global service), on the host's network, with the pool mounted and no docker
 * socket.  It answers for all supervisors of its host over HTTP: on the node's swarm address with
 * a bearer token, and on AGENT_SOCKET in the pool for root without one.  Over that socket it also
 * asks other hosts' agents on behalf of the command line, which so needs neither the token nor a
 * route to them.
 *
 *	GET  /livez                                  "ok\n"; the one path without a token
 *	GET  /v1/status                              every slot: its supervisor's word or record
 *	POST /v1/sample                              every slot: what its nodeos says of the chain;
 *	                                             body: samples_request.h; the reply below
 *	GET  /v1/slots                               every slot, the node's id; asks no supervisor
 *	POST /v1/slots/SERVICE/SLOT/quiesce|resume   the control socket's reply, when it comes
 *	POST /v1/slots/SERVICE/SLOT/archive|restore  the same; the body is the request's arguments
 *	GET  /v1/slots/SERVICE/SLOT/log?tail=N       the end of nodeos.log, text
 *	GET  /v1/host                                facts for `doctor`
 *	GET  /v1/generations                         operation ls of data/op.h
 *	GET  /v1/generations/NAME                    operation show
 *	GET  /v1/generations/NAME/files/N            of the Nth file of its manifest the bytes from
 *	     ?offset=O&length=L                      O on, as many as there are up to L and 4 MiB
 *	GET  /v1/generations/NAME/files/N/map        where it has data from O on:
 *	     ?offset=O                               {"size","ranges":[[O,BYTES]...],"next"};
 *	                                             next null: that is all
 *	GET  /v1/data                                what goes on: {"operations":[{"id","verb",
 *	                                             "name","started","files_done","files_total",
 *	                                             "bytes_done","bytes_total"}...]}
 *	POST /v1/data/VERB                           an operation of data/op.h, or pull (pull.h);
 *	                                             body: its arguments; answered when done
 *	GET  /v1/firewall                            {"firewall":{...}} of firewall_state.h
 *	POST /v1/firewall/apply                      a model, firewall_request.h; {"changed",
 *	                                             "digest","backend"}
 *	POST /v1/firewall/remove                     {"changed"}
 *	POST /v1/firewall/probe                      which ports are reached from here:
 *	                                             {"results":[{"address","source",
 *	                                             "reach":["reached"|"silent"|"no-route"...]}]}
 *	POST /v1/gather                              AGENT_SOCKET only: ask many agents at once
 *
 * POST /v1/sample is answered at most 200 ms after its limit_ms:
 *
 *	{"format":1,"node":{"id","hostname","version"},"left_out":N,"slots":[
 *	    {"service","slot","task","is_alive":true,"sample":{...}}      sample/sample.h
 *	    {"service","slot","task","is_alive","sample":null,            it has told none: its
 *	     "record":{...}|null,"error":{...}}...]}                      record, at most 3 ends;
 *	                                                                  an error unless nobody
 *	                                                                  holds the slot
 *
 * is_alive says that the supervisor has answered.  One of an earlier version is asked for its
 * status, which makes a sample without ids (sample/status.h).
 *
 * Replies are JSON with "format": 1; errors {"format":1,"error":{"kind","message","hint"}}.
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "control/control.h" /* AGENT_SOCKET, AGENT_FORMAT */

#define AGENT_PORT 8870

/* Bytes: of a request on AGENT_SOCKET; of one over TCP; of that with an operation's arguments,
 * which may be a list of slots, a firewall's model, or what each slot is asked; of a reply. */
#define AGENT_BODY_MAX      (112U * 1024)
#define AGENT_BODY_TCP_MAX  4096U
#define AGENT_BODY_DATA_MAX (48U * 1024)
#define AGENT_REPLY_MAX     (4U * 1024 * 1024)

#define AGENT_TARGETS_MAX 256 /* of a gather */

struct agent_config {
	const char *pool;
	const char *node_id, *node; /* Swarm's id of this node, and its host name; may be "" */
	const char *address;        /* where to listen; "": found out (agent/address.h) */
	uint16_t port;
	const char *token_path; /* may not exist: then only AGENT_SOCKET answers */
};

/* Run until SIGTERM or SIGINT.  Returns 0; -1 when the agent itself could not work. */
int agent_run(const struct agent_config *cfg, struct err *e) NODISCARD;
