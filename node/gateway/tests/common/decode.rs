// SPDX-License-Identifier: Apache-2.0

//! Responses as an independent decoder (hickory-proto) reads them.

use std::collections::BTreeSet;

use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RData, Record};
use hickory_proto::serialize::binary::BinEncodable;

use super::model;

/// A response, taken apart.
#[derive(Debug)]
pub struct Response {
    pub id: u16,
    pub rcode: u16,
    pub authoritative: bool,
    pub truncated: bool,
    pub recursion_available: bool,
    /// Name in wire form, in its own case, and type.
    pub question: Option<(Vec<u8>, u16)>,
    pub answers: Vec<model::Record>,
    pub authorities: Vec<model::Record>,
    pub additionals: Vec<model::Record>,
    /// Version and whether DO is set.
    pub edns: Option<(u8, bool)>,
}

impl Response {
    /// Panics if the decoder finds anything wrong.
    pub fn read(bytes: &[u8]) -> Response {
        let message = Message::from_vec(bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
        let records = |section: &[Record]| section.iter().map(record).collect();
        Response {
            id: message.metadata.id,
            rcode: u16::from(message.metadata.response_code),
            authoritative: message.metadata.authoritative,
            truncated: message.metadata.truncation,
            recursion_available: message.metadata.recursion_available,
            question: message
                .queries
                .first()
                .map(|query| (query.name().to_bytes().expect("a name that was read"), query.query_type().into())),
            answers: records(&message.answers),
            authorities: records(&message.authorities),
            additionals: records(&message.additionals),
            edns: message.edns.as_ref().map(|edns| (edns.version(), edns.flags().dnssec_ok)),
        }
    }

    pub fn answer_set(&self) -> BTreeSet<model::Record> {
        self.answers.iter().cloned().collect()
    }

    /// Records of one type in the authority section.
    pub fn authority(&self, rtype: u16) -> Vec<&model::Record> {
        self.authorities.iter().filter(|record| record.1 == rtype).collect()
    }

    /// Data of the answers of one type.
    pub fn data(&self, rtype: u16) -> Vec<Vec<u8>> {
        self.answers.iter().filter(|record| record.1 == rtype).map(|record| record.3.clone()).collect()
    }
}

fn record(record: &Record) -> model::Record {
    let data = match &record.data {
        RData::Unknown { rdata, .. } => rdata.anything.clone(),
        // Names are compared in lower case and without compression.
        RData::NS(host) => name(&host.0),
        RData::CNAME(host) => name(&host.0),
        RData::MX(mx) => [mx.preference.to_be_bytes().to_vec(), name(&mx.exchange)].concat(),
        RData::SRV(srv) => {
            let numbers = [srv.priority, srv.weight, srv.port];
            [numbers.iter().flat_map(|number| number.to_be_bytes()).collect(), name(&srv.target)].concat()
        },
        RData::SOA(soa) => {
            let numbers = [soa.serial, soa.refresh as u32, soa.retry as u32, soa.expire as u32, soa.minimum];
            let numbers = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
            [name(&soa.mname), name(&soa.rname), numbers].concat()
        },
        data => data.to_bytes().expect("data that were read"),
    };
    (name(&record.name), record.record_type().into(), record.ttl, data)
}

fn name(name: &Name) -> Vec<u8> {
    name.to_lowercase().to_bytes().expect("a name that was read")
}
