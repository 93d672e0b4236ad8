"""RabbitMQ: the names and shape of the topology, and the one module that speaks AMQP."""
