// Make the replica set of one member, once; on a member that has one already, nothing. Run by the pod after each start.
try {
  rs.status();
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  rs.initiate({ _id: "rs0", members: [{ _id: 0, host: process.env.MEMBER }] });
}
