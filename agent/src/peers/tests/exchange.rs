//! Messages arrive at whom they are for, from whom they are, and no more of them than there is room for.

use kerf_api::peer::v1;
use kerf_api::peer::v1::peer_client::PeerClient;
use kerf_types::HostId;
use tonic::transport::Endpoint;
use tonic::{Code, Status};

use super::{Event, Host, fleet, message, until, wire};
use crate::peers::EVENTS;
use crate::peers::link::bytes_of;

fn messages(event: Event) -> Option<(HostId, u32)> {
    match event {
        Event::Message { from, message } => Some((from, message.tag.member)),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_arrive_in_order_both_ways() {
    let mut hosts = fleet(2).await;
    let [one, two] = [hosts[0].me.host, hosts[1].me.host];
    for member in 0..500 {
        hosts[0].peers.send(two, message(member));
    }
    for member in 0..500 {
        let heard = hosts[1].hears("a message", messages).await;
        assert_eq!(heard, (one, member));
    }
    hosts[1].peers.send(one, message(7));
    assert_eq!(hosts[0].hears("an answer", messages).await, (two, 7));
    // To itself, without a connection.
    hosts[0].peers.send(one, message(8));
    assert_eq!(hosts[0].hears("its own word", messages).await, (one, 8));
    hosts[0].peers.send(HostId::from_bits(99), message(0));
    let counts = &hosts[0].metrics.peer_messages;
    assert_eq!(counts.get(["out", "unknown"]), 1);
    until("all are counted", || counts.get(["out", "sent"]) == 500).await;
    assert_eq!(hosts[1].metrics.peer_messages.get(["in", "taken"]), 500);
}

/// Calls a host as somebody does who comes from this address of the machine.
async fn call(host: &Host, local: &str, request: v1::ExchangeRequest) -> Result<u32, Status> {
    let endpoint = Endpoint::from_shared(format!("http://{}", host.address())).expect("an address");
    let local = local.parse().expect("an address of loopback");
    let channel = endpoint.local_address(Some(local)).connect().await;
    let mut client = PeerClient::new(channel.expect("it listens"));
    let answer = client.exchange(request).await?;
    Ok(answer.get_ref().taken)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_refused_unless_all_of_it_is_right() {
    let mut hosts = fleet(2).await;
    let good = v1::ExchangeRequest {
        version: v1::ProtocolVersion::ProtocolVersion1.into(),
        reads: 0,
        from: bytes_of(hosts[1].me.host),
        to: bytes_of(hosts[0].me.host),
        messages: vec![wire(1)],
    };
    let refused = async |local: &str, change: &dyn Fn(&mut v1::ExchangeRequest)| {
        let mut request = good.clone();
        change(&mut request);
        let outcome = call(&hosts[0], local, request).await;
        outcome.expect_err("a wrong call").code()
    };
    let here = "127.0.0.1";
    let stranger = HostId::from_bits(9);
    let to = |request: &mut v1::ExchangeRequest| request.to = bytes_of(stranger);
    assert_eq!(refused(here, &to).await, Code::FailedPrecondition);
    let from = |request: &mut v1::ExchangeRequest| request.from = bytes_of(stranger);
    assert_eq!(refused(here, &from).await, Code::Unauthenticated);
    let short = |request: &mut v1::ExchangeRequest| request.from = vec![1; 15];
    assert_eq!(refused(here, &short).await, Code::InvalidArgument);
    let version = |request: &mut v1::ExchangeRequest| request.version = 2;
    assert_eq!(refused(here, &version).await, Code::Unimplemented);
    let many = |request: &mut v1::ExchangeRequest| request.messages = vec![wire(1); 257];
    assert_eq!(refused(here, &many).await, Code::InvalidArgument);
    assert_eq!(refused("127.0.0.2", &|_| {}).await, Code::PermissionDenied);
    // One that cannot be read does not hold up those behind it.
    let mut mixed = good.clone();
    mixed.messages = vec![v1::PeerMessage::default(), wire(2)];
    assert_eq!(call(&hosts[0], here, mixed).await.ok(), Some(2));
    assert_eq!(hosts[0].metrics.peer_messages.get(["in", "bad"]), 1);
    let from = hosts[1].me.host;
    assert_eq!(hosts[0].hears("the good one", messages).await, (from, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_takes_no_more() {
    let mut hosts = fleet(2).await;
    let mut taken = 0;
    let calls = EVENTS / 256 + 1;
    for _ in 0..calls {
        let request = v1::ExchangeRequest {
            version: v1::ProtocolVersion::ProtocolVersion1.into(),
            reads: 0,
            from: bytes_of(hosts[1].me.host),
            to: bytes_of(hosts[0].me.host),
            messages: vec![wire(1); 256],
        };
        let answer = call(&hosts[0], "127.0.0.1", request).await;
        taken += usize::try_from(answer.expect("an answer")).expect("a small number");
    }
    assert!(taken <= EVENTS && taken > EVENTS / 2, "{taken}");
    assert!(hosts[0].metrics.peer_messages.get(["in", "busy"]) >= 1);
    for _ in 0..taken {
        hosts[0].hears("each that was taken", messages).await;
    }
}
