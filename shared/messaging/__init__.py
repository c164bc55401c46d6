"""RabbitMQ, here and nowhere else. `port` is what services need of a broker; `rabbit` is the real one, `shared.memory` its twin."""
